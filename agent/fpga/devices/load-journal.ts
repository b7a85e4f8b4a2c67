import type { DatabaseSync } from "node:sqlite";
import { type FpgaLoad, LOADS_OF_IMAGE } from "#protocol/fpga-device.ts";
import { migrate } from "../../database/migrate.ts";

/** A load as it is noted: of which run of whom, with what. */
export type LoadOf = Pick<FpgaLoad, "image" | "run" | "node" | "adapter"> & { user: string };

type Row = LoadOf & Pick<FpgaLoad, "at" | "state" | "message">;

const TOLD = 500;
/** Loads of a user that are kept, whatever images they are of: those of 200 images. */
export const LOADS_OF_USER = 200 * LOADS_OF_IMAGE;
/** Whose load it is when no run's. */
const NOBODY = { user: "", image: "", run: "" };

/** A durable record of every load, written before it begins and when it has ended. The last one alone says what a device holds. */
export class LoadJournal {
  readonly #db: DatabaseSync;
  readonly #now: () => number;

  constructor(db: DatabaseSync, now: () => number = Date.now) {
    this.#db = db;
    this.#now = now;
    migrate(db);
    // the process that began them has ended
    db.exec("UPDATE fpga_loads SET state = 'interrupted' WHERE state = 'begun'");
  }

  /** A load of the operator's own file. @returns its number */
  beginBlank(of: Pick<LoadOf, "node" | "adapter">): number {
    return this.begin({ ...of, ...NOBODY });
  }

  /** Was the load a run's, or did it not come to its end? */
  isOfRun({ user, state }: Pick<Row, "user" | "state">): boolean {
    return user !== NOBODY.user || state !== "operating";
  }

  /** @returns its number */
  begin({ node, adapter, user, image, run }: LoadOf): number {
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO fpga_loads (node, adapter, user, image, run, at, state, message)
         VALUES (?, ?, ?, ?, ?, ?, 'begun', '')`,
      )
      .run(node, adapter, user, image, run, this.#now());
    this.#bound(user, image);
    return Number(lastInsertRowid);
  }

  end(n: number, state: "operating" | "failed", message: string): void {
    this.#db
      .prepare("UPDATE fpga_loads SET state = ?, message = ? WHERE n = ?")
      .run(state, message.slice(0, TOLD), n);
  }

  /** How many loads of a run were begun and came to no end. */
  interruptions(run: string): number {
    const row = this.#db
      .prepare("SELECT count(*) AS n FROM fpga_loads WHERE run = ? AND state = 'interrupted'")
      .get(run);
    return Number(row?.n);
  }

  /** The last load of a node, whatever became of it. */
  last(node: string): Row | undefined {
    return this.#db.prepare("SELECT * FROM fpga_loads WHERE node = ? ORDER BY n DESC LIMIT 1").get(node) as
      | Row
      | undefined;
  }

  /** Loads of a user's images, the latest first. */
  of(user: string): FpgaLoad[] {
    const rows = this.#db
      .prepare("SELECT * FROM fpga_loads WHERE user = ? ORDER BY n DESC")
      .all(user) as Row[];
    return rows.map(({ image, run, node, adapter, at, state, message }) => {
      return { image, run, node, adapter, at, state, message };
    });
  }

  /** Users of whom loads are known. */
  users(): string[] {
    return this.#db
      .prepare("SELECT DISTINCT user FROM fpga_loads WHERE user <> ?")
      .all(NOBODY.user)
      .map(({ user }) => String(user));
  }

  /**
   * Loads of an image that is removed; what a device holds stays, and what was cut short: a run may still load it, and
   * counts these.
   */
  forget(user: string, image: string): void {
    this.#db
      .prepare(
        `DELETE FROM fpga_loads WHERE user = ? AND image = ? AND state NOT IN ('begun', 'interrupted')
         AND n NOT IN (SELECT max(n) FROM fpga_loads GROUP BY node)`,
      )
      .run(user, image);
  }

  /** The oldest of an image's and of a user's beyond the bounds go; what a device holds stays. */
  #bound(user: string, image: string): void {
    this.#db
      .prepare(
        `DELETE FROM fpga_loads WHERE user = ?1 AND image = ?2
         AND n NOT IN (SELECT n FROM fpga_loads WHERE user = ?1 AND image = ?2 ORDER BY n DESC LIMIT ?3)
         AND n NOT IN (SELECT max(n) FROM fpga_loads GROUP BY node)`,
      )
      .run(user, image, LOADS_OF_IMAGE);
    this.#db
      .prepare(
        `DELETE FROM fpga_loads WHERE user = ?1
         AND n <= (SELECT n FROM fpga_loads WHERE user = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)
         AND n NOT IN (SELECT max(n) FROM fpga_loads GROUP BY node)`,
      )
      .run(user, LOADS_OF_USER);
  }
}
