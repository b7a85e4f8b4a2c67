import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { migrate } from "../../database/migrate.ts";
import { putAside, storedJson } from "../../database/stored-json.ts";
import { withoutSync } from "../../database/without-sync.ts";
import type { RunInput, RunRecord } from "./run-record.ts";

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

/** What must be readable of a run's record, whatever version wrote it. */
const storedInput = z.looseObject({ image: z.string() });
const storedVolumes = z.record(z.string(), z.string());
const storedState = z.looseObject({
  phase: z.enum(["scheduled", "waiting", "loading", "starting", "running", "ended"]),
  reason: z.string(),
  flushed: z.boolean(),
  removed: z.boolean(),
});

/**
 * Durable table of runs: what a call wrote survives any death from the moment it returns. A call with `soon` does not wait
 * for the disk: what it wrote becomes durable with the next durable write, and a power cut before that may lose it.
 */
export class RunStore {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    migrate(db);
  }

  /** All records in order of acceptance. One that cannot be read is put aside: its run is not known any more. */
  load(): RunRecord[] {
    const rows = this.#db.prepare("SELECT * FROM pod_runs ORDER BY n").all() as Row[];
    return rows.flatMap((row) => {
      const input = storedJson(storedInput, row.input);
      const state = storedJson(storedState, row.state);
      const volumes = storedJson(storedVolumes, row.volumes);
      if (!input || !state || !volumes) {
        putAside(this.#db, "pod_runs", row);
        this.delete(row.run);
        return [];
      }
      return {
        n: row.n,
        run: row.run,
        user: row.user,
        pod: row.pod,
        volumes,
        input: input as unknown as RunInput,
        acceptedAt: row.accepted_at,
        ...(state as unknown as Mutable),
      };
    });
  }

  insert(record: Omit<RunRecord, "n">, { soon = false } = {}): RunRecord {
    const { run, user, pod, volumes, input, acceptedAt } = record;
    const row = this.#db.prepare(
      `INSERT INTO pod_runs (run, user, pod, volumes, input, accepted_at, state)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    const state = stateText(record);
    const write = () =>
      row.run(run, user, pod, JSON.stringify(volumes), JSON.stringify(input), acceptedAt, state);
    const { lastInsertRowid } = soon ? withoutSync(this.#db, write) : write();
    return { ...record, n: Number(lastInsertRowid) };
  }

  update(record: RunRecord, { soon = false } = {}): void {
    const row = this.#db.prepare("UPDATE pod_runs SET state = ? WHERE run = ?");
    const write = () => row.run(stateText(record), record.run);
    if (soon) withoutSync(this.#db, write);
    else write();
  }

  /** `soon`: one that comes back is deleted again. */
  delete(run: string): void {
    withoutSync(this.#db, () => this.#db.prepare("DELETE FROM pod_runs WHERE run = ?").run(run));
  }
}

function stateText(record: Omit<RunRecord, "n">): string {
  const { run, user, pod, volumes, input, acceptedAt, ...rest } = record;
  const { n, ...state } = rest as typeof rest & { n?: number };
  return JSON.stringify(state satisfies Mutable);
}
