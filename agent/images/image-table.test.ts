import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ImageRecord } from "./image-record.ts";

let db: DatabaseSync;
beforeEach(() => {
  db = new DatabaseSync(":memory:");
});
afterEach(() => db.close());

const TOOL = { name: "tool", tag: "latest" };

test("images that versions up to 0.2 recorded are their users', in no space", () => {
  db.exec(`CREATE TABLE images (
      user TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
      PRIMARY KEY (user, name, tag)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX images_id ON images (id);
    INSERT INTO images VALUES ('ada', 'tool', 'latest', 'sha256:1', 7), ('bob', 'tool', 'latest', 'sha256:2', 8)`);
  for (const record of [new ImageRecord(db), new ImageRecord(db)]) {
    expect(record.all()).toEqual([
      { user: "ada", owner: "ada", ...TOOL, id: "sha256:1", created: 7 },
      { user: "bob", owner: "bob", ...TOOL, id: "sha256:2", created: 8 },
    ]);
    expect(record.hasId("sha256:2")).toBe(true);
  }
});

test("a name in a space is another than the same name outside of it", () => {
  const record = new ImageRecord(db);
  record.put("ada", TOOL, "sha256:1", 1);
  record.put("ada.kabuto", TOOL, "sha256:2", 2);
  record.put("ada.unik", TOOL, "sha256:3", 3);
  expect(record.get("ada", TOOL)?.id).toBe("sha256:1");
  expect(record.get("ada.kabuto", TOOL)).toMatchObject({ user: "ada", owner: "ada.kabuto", id: "sha256:2" });
  expect(record.list("ada").map(({ id }) => id)).toEqual(["sha256:1"]);
  expect(record.listAll("ada").map(({ owner }) => owner)).toEqual(["ada", "ada.kabuto", "ada.unik"]);
  record.remove("ada.kabuto", TOOL);
  expect(record.all().map(({ id }) => id)).toEqual(["sha256:1", "sha256:3"]);
  expect(record.released()).toEqual(["sha256:2"]);
});
