import type { DatabaseSync } from "node:sqlite";
import { podRunInput } from "#protocol/pod-run.ts";

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

/** Makes the table of runs, or migrates that of versions up to 0.2, whose runs had one volume each. */
export function openRunTable(db: DatabaseSync): void {
  db.exec(`PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS pod_runs (${COLUMNS}) STRICT`);
  const columns = db.prepare("SELECT name FROM pragma_table_info('pod_runs')").all();
  if (!columns.some(({ name }) => name === "volume_path")) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    const rows = db.prepare("SELECT n, volume, volume_path, input FROM pod_runs").all() as FirstRow[];
    db.exec(`CREATE TABLE pod_runs_new (${COLUMNS}) STRICT`);
    const copy = db.prepare(
      `INSERT INTO pod_runs_new SELECT n, run, user, pod, ?, ?, accepted_at, state FROM pod_runs WHERE n = ?`,
    );
    for (const { n, volume, volume_path, input } of rows) {
      const migrated = podRunInput.parse(JSON.parse(input));
      copy.run(JSON.stringify({ [volume]: volume_path }), JSON.stringify(migrated), n);
    }
    db.exec("DROP TABLE pod_runs; ALTER TABLE pod_runs_new RENAME TO pod_runs; COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}
