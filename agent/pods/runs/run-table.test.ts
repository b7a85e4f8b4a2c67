import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { countAside } from "../../database/stored-json.ts";
import { RunStore } from "./run-store.ts";

let db: DatabaseSync;
beforeEach(() => {
  db = new DatabaseSync(":memory:");
});
afterEach(() => db.close());

/** The table as versions up to 0.2 made it. */
const FIRST_TABLE = `CREATE TABLE pod_runs (
  n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, user TEXT NOT NULL, pod TEXT NOT NULL,
  volume TEXT NOT NULL, volume_path TEXT NOT NULL, input TEXT NOT NULL, accepted_at INTEGER NOT NULL,
  state TEXT NOT NULL) STRICT`;
const INPUT = {
  pod: "p",
  volume: "v",
  image: "i",
  node: "GPU",
  maxDuration: 2,
  ports: [80],
  envs: { A: "1" },
};

function insertFirst(n: number, run: string): void {
  const state = {
    phase: "running",
    reason: "ContainerCreating",
    deadline: 5,
    flushed: false,
    removed: false,
  };
  db.prepare("INSERT INTO pod_runs VALUES (?, ?, 'ada', 'p', 'v', '/volumes/ada/v', ?, 7, ?)").run(
    n,
    run,
    JSON.stringify(INPUT),
    JSON.stringify(state),
  );
}

test("runs that versions up to 0.2 recorded are read with all they said, in their order", () => {
  db.exec(FIRST_TABLE);
  insertFirst(3, "b");
  insertFirst(9, "a");
  for (const store of [new RunStore(db), new RunStore(db)]) {
    const records = store.load();
    expect(records.map(({ n, run }) => [n, run])).toEqual([
      [3, "b"],
      [9, "a"],
    ]);
    expect(records[0]).toMatchObject({
      user: "ada",
      pod: "p",
      volumes: { v: "/volumes/ada/v" },
      acceptedAt: 7,
      phase: "running",
      deadline: 5,
      input: {
        pod: "p",
        mounts: [{ volume: "v", at: "/data" }],
        image: "i",
        kind: "GPU",
        onSameName: "replace",
        maxMs: 120_000,
        network: "user",
        defaultWorkdir: "/data",
        ports: [80],
        envs: { A: "1" },
      },
    });
  }
});

test("a run recorded after them comes after them", () => {
  db.exec(FIRST_TABLE);
  insertFirst(9, "a");
  const store = new RunStore(db);
  const [{ n: _, ...first }] = store.load() as [ReturnType<RunStore["load"]>[number]];
  expect(store.insert({ ...first, run: "b" }).n).toBe(10);
  expect(store.load().map(({ run }) => run)).toEqual(["a", "b"]);
});

test("a run of theirs that cannot be read is put aside, the others are there", () => {
  db.exec(FIRST_TABLE);
  insertFirst(1, "a");
  insertFirst(2, "b");
  db.prepare("UPDATE pod_runs SET input = '{' WHERE n = 1").run();
  expect(new RunStore(db).load().map(({ run }) => run)).toEqual(["b"]);
  expect(countAside(db)).toBe(1);
});
