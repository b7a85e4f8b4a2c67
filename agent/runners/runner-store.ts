import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { type WantedPools, wantedEnvironment } from "#protocol/pool-wire.ts";
import { migrate } from "../database/migrate.ts";
import { putAside, storedJson } from "../database/stored-json.ts";
import { withoutSync } from "../database/without-sync.ts";
import { type RunnerRecord, runnerRecord } from "./runner-record.ts";

/** Durable: the wanted pools, so that they are kept without contact, and the runners. */
export class RunnerStore {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    migrate(db);
  }

  /** What the ground last told; with `pools: -1` when it never did, or it cannot be read any more. */
  wanted(): WantedPools {
    const row = this.#db.prepare("SELECT pools, environments FROM wanted_pools").get();
    const environments = row && storedJson(z.array(wantedEnvironment), row.environments);
    return environments ? { pools: Number(row.pools), environments } : { pools: -1, environments: [] };
  }

  saveWanted({ pools, environments }: WantedPools): void {
    this.#db
      .prepare("INSERT OR REPLACE INTO wanted_pools (n, pools, environments) VALUES (1, ?, ?)")
      .run(pools, JSON.stringify(environments));
  }

  /** One that cannot be read is put aside: its container is then nobody's, and removed. */
  load(): RunnerRecord[] {
    return this.#db
      .prepare("SELECT * FROM runners")
      .all()
      .flatMap((row) => {
        const record = storedJson(runnerRecord, row.record);
        if (record) return [record];
        putAside(this.#db, "runners", row);
        this.delete(String(row.id));
        return [];
      });
  }

  save(record: RunnerRecord): void {
    this.#db
      .prepare("INSERT OR REPLACE INTO runners (id, user, record) VALUES (?, ?, ?)")
      .run(record.id, record.user, JSON.stringify(record));
  }

  /** Survives the process, and a power cut only with the next durable write. */
  saveSoon(record: RunnerRecord): void {
    withoutSync(this.#db, () => this.save(record));
  }

  delete(id: string): void {
    this.#db.prepare("DELETE FROM runners WHERE id = ?").run(id);
  }
}
