import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Journal } from "../journal/journal.ts";
import { openStateDatabase } from "../journal/state-database.ts";
import { LogCursors } from "../pods/logs/log-cursor.ts";
import { RunStore } from "../pods/runs/run-store.ts";
import { migrate, NewerDatabase } from "./migrate.ts";
import { MIGRATIONS } from "./migrations.ts";
import { countAside } from "./stored-json.ts";

let database: DatabaseSync;
beforeEach(() => {
  database = new DatabaseSync(":memory:");
});
afterEach(() => {
  if (database.isOpen) database.close();
});

const version = (of = database) => Number(of.prepare("PRAGMA user_version").get()?.user_version);
/** Every table with its columns, in an order of their own. */
const schema = (of: DatabaseSync) =>
  of
    .prepare(
      "SELECT m.name AS name, c.name AS field, c.type, c.\"notnull\", c.pk FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, 2",
    )
    .all();

describe("migrations of the agent's database", () => {
  test("a new one has all tables, and opening it again changes nothing", () => {
    migrate(database);
    expect(version()).toBe(MIGRATIONS.length);
    const before = schema(database);
    migrate(database);
    expect(schema(database)).toEqual(before);
  });

  test.each([
    ["of 0.1, without a registry", ""],
    [
      "of 0.1, with a registry",
      `CREATE TABLE handed_images (
        user TEXT NOT NULL, image_id TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
        state TEXT NOT NULL, digest TEXT, blobs TEXT NOT NULL, used_at INTEGER NOT NULL,
        PRIMARY KEY (user, image_id)) STRICT, WITHOUT ROWID;`,
    ],
    [
      "of 0.2, with a registry",
      `CREATE TABLE handed_images (
        user TEXT NOT NULL, image_id TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
        state TEXT NOT NULL, digest TEXT, blobs TEXT NOT NULL, used_at INTEGER NOT NULL,
        seal TEXT NOT NULL DEFAULT '', PRIMARY KEY (user, image_id)) STRICT, WITHOUT ROWID;`,
    ],
  ])("one %s comes to the same tables, with what it holds", (_, tables) => {
    database.exec(`${tables}
      CREATE TABLE journal (command TEXT PRIMARY KEY, user TEXT NOT NULL, operation TEXT NOT NULL, outcome TEXT) WITHOUT ROWID;
      INSERT INTO journal VALUES ('c', 'ann', 'volume.uplink', NULL);`);
    migrate(database);
    const fresh = new DatabaseSync(":memory:");
    migrate(fresh);
    expect(schema(database)).toEqual(schema(fresh));
    fresh.close();
    expect(new Journal(database).open()).toEqual([{ command: "c", user: "ann", outcome: undefined }]);
  });

  test("a step that fails leaves the database as it was before it", () => {
    const steps = [
      (db: DatabaseSync) => db.exec("CREATE TABLE one (a)"),
      (db: DatabaseSync) => db.exec("CREATE TABLE two (a); CREATE TABLE one (a)"),
    ];
    expect(() => migrate(database, steps)).toThrow("already exists");
    expect([version(), schema(database).map(({ name }) => name)]).toEqual([1, ["one"]]);
  });

  test("one of a newer version is refused, by name", () => {
    const directory = mkdtempSync(join(tmpdir(), "perigee-newer-"));
    try {
      const made = openStateDatabase(directory);
      made.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
      made.close();
      expect(() => openStateDatabase(directory)).toThrow(NewerDatabase);
      expect(() => openStateDatabase(directory)).toThrow(/newer version of the agent/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("rows that cannot be read", () => {
  test("of an outcome: the command has ended, and nobody knows how any more", () => {
    const journal = new Journal(database);
    journal.start({ id: "c", user: "ann", operation: "volume.delete" }, () => {});
    database.exec('UPDATE journal SET outcome = \'{"state":"succ\'');
    expect(journal.outcome("c")).toMatchObject({ state: "failed", failure: { code: "INTERRUPTED" } });
    expect(journal.open()).toMatchObject([{ command: "c", outcome: { state: "failed" } }]);
    expect(countAside(database)).toBe(1);
  });

  test("of a note: the step was taken, what was noted with it is lost", () => {
    const journal = new Journal(database);
    const command = { id: "c", user: "ann", operation: "volume.delete" };
    journal.start(command, () => {}).note("commit", { id: "x" });
    database.exec("UPDATE journal_notes SET detail = '{'");
    expect(journal.start(command, () => {}).notes).toEqual([{ step: "commit", detail: undefined }]);
  });

  test("of runs: put aside, the others are read", () => {
    const store = new RunStore(database);
    const run = (id: string) => ({
      run: id,
      user: "ann",
      pod: "p",
      volumes: { v: "/v" },
      input: { pod: "p", image: "i" } as never,
      acceptedAt: 1,
      phase: "waiting" as const,
      reason: "r",
      flushed: false,
      removed: false,
    });
    for (const id of ["a", "b", "c"]) store.insert(run(id));
    database.exec("UPDATE pod_runs SET state = '{' WHERE run = 'a'");
    database.exec("UPDATE pod_runs SET input = '[1]' WHERE run = 'b'");
    expect(store.load().map(({ run }) => run)).toEqual(["c"]);
    expect(new RunStore(database).load().map(({ run }) => run)).toEqual(["c"]);
    expect(countAside(database)).toBe(2);
  });

  test("of a log's cursor: the log is sent from its beginning", () => {
    const cursors = new LogCursors(database);
    cursors.set("r", { seq: 1, to: { time: "t", stream: "stdout", hash: "h", count: 1 } });
    database.exec("UPDATE pod_logs SET cursor = '\"\"'");
    expect(cursors.get("r")).toBeUndefined();
  });
});
