import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { LIMITS } from "#protocol/limits.ts";
import { migrate } from "../database/migrate.ts";
import { withoutSync } from "../database/without-sync.ts";
import { isDiskFull } from "../journal/state-database.ts";

/** How far the sending of an object is. */
export type Outgoing = {
  /** the name under which the ground knows it */
  transfer: string;
  /** bytes of its parts as the ground said, 0 before it did */
  partBytes: number;
  /** so many parts from the first on have arrived */
  done: number;
  /** CRC32 of their bytes */
  crc: number;
};

/** A stream that was gathered in a file, whole; who opens it looks whether a power cut has left it so. */
export type SpooledFile = { path: string; size: number; xxh64: bigint };

const SPOOL = /^[0-9A-Z]{26}\.\d+$/;

/**
 * What the agent is sending up, so that it goes on after a restart: how far each object is, and the streams that
 * were gathered in files of `directory` because they cannot be read again. All of it is there to save sending
 * again: where a note is missing the ground tells what has arrived.
 */
export class OutgoingStore {
  readonly directory: string;
  readonly #database: DatabaseSync;
  readonly #known: StatementSync;
  readonly #now: () => number;

  constructor(database: DatabaseSync, directory: string, now: () => number = Date.now) {
    migrate(database);
    this.#database = database;
    this.#known = database.prepare(
      "SELECT 1 WHERE EXISTS (SELECT 1 FROM outgoing_transfers WHERE command = ?1) OR EXISTS (SELECT 1 FROM outgoing_spools WHERE command = ?1)",
    );
    this.directory = directory;
    this.#now = now;
  }

  /** How far object `n` of a command is; one that was begun with other bytes begins anew. */
  open(command: string, n: number, pin: string): Outgoing {
    const row = this.#database
      .prepare(
        "SELECT pin, transfer, part_bytes AS partBytes, done, crc FROM outgoing_transfers WHERE command = ? AND n = ?",
      )
      .get(command, n) as (Outgoing & { pin: string }) | undefined;
    if (row?.pin === pin) {
      const { transfer, partBytes, done, crc } = row;
      return { transfer, partBytes, done, crc };
    }
    return this.begin(command, n, pin);
  }

  /** Object `n` of a command begins anew, under another name. */
  begin(command: string, n: number, pin: string): Outgoing {
    const made = { transfer: `t${randomBytes(12).toString("hex")}`, partBytes: 0, done: 0, crc: 0 };
    // after a power cut it begins anew, with nothing sent that counts
    withoutSync(this.#database, () => this.note(command, n, pin, made));
    return made;
  }

  /** Notes how far it is. Without room for the note the sending goes on all the same. */
  note(command: string, n: number, pin: string, { transfer, partBytes, done, crc }: Outgoing): void {
    unlessFull(() =>
      this.#database
        .prepare("INSERT OR REPLACE INTO outgoing_transfers VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .run(command, n, pin, transfer, partBytes, done, crc, this.#now()),
    );
  }

  /** Where the stream of object `n` is gathered. */
  pathOf(command: string, n: number): string {
    return join(this.directory, `${command}.${n}`);
  }

  spooled(command: string, n: number): SpooledFile | undefined {
    const row = this.#database
      .prepare("SELECT size, xxh64 FROM outgoing_spools WHERE command = ? AND n = ?")
      .get(command, n) as { size: number; xxh64: string } | undefined;
    return row && { path: this.pathOf(command, n), size: row.size, xxh64: BigInt(row.xxh64) };
  }

  /** The stream of object `n` lies whole at {@link OutgoingStore.pathOf}; without this note it is made again. */
  noteSpooled(command: string, n: number, { size, xxh64 }: Omit<SpooledFile, "path">): void {
    const row = this.#database.prepare("INSERT OR REPLACE INTO outgoing_spools VALUES (?, ?, ?, ?, ?)");
    withoutSync(this.#database, () =>
      unlessFull(() => row.run(command, n, size, String(xxh64), this.#now())),
    );
  }

  /** The command has ended: nothing of it is needed any more. */
  forget(command: string): void {
    // Most commands send nothing.
    if (!this.#known.get(command)) return;
    const spools = this.#database.prepare("SELECT n FROM outgoing_spools WHERE command = ?").all(command);
    for (const { n } of spools as { n: number }[]) rmSync(this.pathOf(command, n), { force: true });
    // what a power cut brings back goes by its age
    withoutSync(this.#database, () => {
      for (const table of ["outgoing_transfers", "outgoing_spools"]) {
        unlessFull(() => this.#database.prepare(`DELETE FROM ${table} WHERE command = ?`).run(command));
      }
    });
  }

  /**
   * Removes what is too old to go on with, and files that no row names: the agent died while it wrote them. To be
   * called before anything is sent.
   */
  sweep(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const before = this.#now() - LIMITS.transferMs;
    const old = this.#database.prepare(
      "SELECT command FROM outgoing_transfers WHERE made < ? UNION SELECT command FROM outgoing_spools WHERE made < ?",
    );
    for (const { command } of old.all(before, before) as { command: string }[]) this.forget(command);
    const rows = this.#database.prepare("SELECT command, n FROM outgoing_spools").all();
    const named = new Set(
      (rows as { command: string; n: number }[]).map(({ command, n }) => `${command}.${n}`),
    );
    for (const name of readdirSync(this.directory)) {
      if (SPOOL.test(name) && !named.has(name)) rmSync(join(this.directory, name), { force: true });
    }
  }
}

function unlessFull(write: () => unknown): void {
  try {
    write();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}
