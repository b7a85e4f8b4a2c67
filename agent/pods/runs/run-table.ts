import type { DatabaseSync } from "node:sqlite";
import { podRunInput } from "#protocol/pod-run.ts";
import { putAside, storedJson } from "../../database/stored-json.ts";

const COLUMNS = `
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL UNIQUE,
  user TEXT NOT NULL,
  pod TEXT NOT NULL,
  volumes TEXT NOT NULL,
  input TEXT NOT NULL,
  accepted_at INTEGER NOT NULL,
  state TEXT NOT NULL`;

type FirstRow = { n: number; volume: string; volume_path: string; input: string };

/** A step of the database's migrations: runs of versions up to 0.2 had one volume each. */
export function runsWithVolumes(db: DatabaseSync): void {
  const rows = db.prepare("SELECT * FROM pod_runs").all() as FirstRow[];
  db.exec(`CREATE TABLE pod_runs_new (${COLUMNS}) STRICT`);
  const copy = db.prepare(
    `INSERT INTO pod_runs_new SELECT n, run, user, pod, ?, ?, accepted_at, state FROM pod_runs WHERE n = ?`,
  );
  for (const row of rows) {
    const input = storedJson(podRunInput, row.input);
    if (input) copy.run(JSON.stringify({ [row.volume]: row.volume_path }), JSON.stringify(input), row.n);
    else putAside(db, "pod_runs", row);
  }
  db.exec("DROP TABLE pod_runs; ALTER TABLE pod_runs_new RENAME TO pod_runs");
}
