import type { DatabaseSync } from "node:sqlite";
import type { RunInput, RunRecord } from "./run-record.ts";
import { openRunTable } from "./run-table.ts";

/** Fields that change, kept as one JSON text: they are never searched for. */
type Mutable = Omit<RunRecord, "n" | "run" | "user" | "pod" | "volumes" | "input" | "acceptedAt">;

type Row = {
  n: number;
  run: string;
  user: string;
  pod: string;
  volumes: string;
  input: string;
  accepted_at: number;
  state: string;
};

/** Durable table of runs: what a call wrote survives any death from the moment it returns. */
export class RunStore {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    openRunTable(db);
  }

  /** All records in order of acceptance. */
  load(): RunRecord[] {
    const rows = this.#db.prepare("SELECT * FROM pod_runs ORDER BY n").all() as Row[];
    return rows.map((row) => ({
      n: row.n,
      run: row.run,
      user: row.user,
      pod: row.pod,
      volumes: JSON.parse(row.volumes) as RunRecord["volumes"],
      input: JSON.parse(row.input) as RunInput,
      acceptedAt: row.accepted_at,
      ...(JSON.parse(row.state) as Mutable),
    }));
  }

  insert(record: Omit<RunRecord, "n">): RunRecord {
    const { run, user, pod, volumes, input, acceptedAt } = record;
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO pod_runs (run, user, pod, volumes, input, accepted_at, state)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(run, user, pod, JSON.stringify(volumes), JSON.stringify(input), acceptedAt, stateText(record));
    return { ...record, n: Number(lastInsertRowid) };
  }

  update(record: RunRecord): void {
    this.#db.prepare("UPDATE pod_runs SET state = ? WHERE run = ?").run(stateText(record), record.run);
  }

  delete(run: string): void {
    this.#db.prepare("DELETE FROM pod_runs WHERE run = ?").run(run);
  }
}

function stateText(record: Omit<RunRecord, "n">): string {
  const { run, user, pod, volumes, input, acceptedAt, ...rest } = record;
  const { n, ...state } = rest as typeof rest & { n?: number };
  return JSON.stringify(state satisfies Mutable);
}
