import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** How long opening waits for another process that is opening or migrating the same file, in ms. */
const OPEN_TIMEOUT_MS = 10_000;
/**
 * How long one call may block the event loop for another process' commit, in ms. The caller waits longer
 * asynchronously.
 */
const BUSY_TIMEOUT_MS = 20;

/** Migrations: each raises the file's `user_version` by one. They are never changed, only added. */
const MIGRATIONS = [
  `CREATE TABLE items (
     pk TEXT NOT NULL,
     sk TEXT NOT NULL,
     rev INTEGER NOT NULL,
     expires_at INTEGER,
     data TEXT NOT NULL,
     PRIMARY KEY (pk, sk)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;`,
];

/**
 * Opens the ledger's file, created with mode 0600 when absent, and migrates it. Every commit is durable.
 * @throws Error when the file was written by a newer version, or stays locked for 10 s
 */
export function openSqliteFile(path: string, maxBytes?: number): DatabaseSync {
  createPrivate(path);
  const until = Date.now() + OPEN_TIMEOUT_MS;
  for (;;) {
    const db = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS });
    try {
      // Two processes that switch to WAL at the same time: one fails immediately, whatever the timeout.
      db.exec("PRAGMA journal_mode = WAL");
      db.exec("PRAGMA synchronous = FULL");
      migrate(db);
      if (maxBytes !== undefined) limit(db, maxBytes);
      db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      return db;
    } catch (error) {
      db.close();
      if (!isBusy(error) || Date.now() > until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** Did SQLite fail because another connection holds a lock? */
export function isBusy(error: unknown): boolean {
  return primaryCode(error) === 5;
}

/** Did SQLite fail because the disk is full? */
export function isFull(error: unknown): boolean {
  return primaryCode(error) === 13;
}

function primaryCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

function createPrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    // SQLite gives its -wal and -shm files the mode of the main file.
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // By path: opening and closing the file would release the locks that this process holds on it.
    chmodSync(path, 0o600);
  }
}

function migrate(db: DatabaseSync): void {
  if (version(db) === MIGRATIONS.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    const from = version(db);
    if (from > MIGRATIONS.length) {
      throw new Error(`the ledger has layout ${from}; this version of Perigee knows ${MIGRATIONS.length}`);
    }
    for (const migration of MIGRATIONS.slice(from)) db.exec(migration);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function limit(db: DatabaseSync, maxBytes: number): void {
  const pageBytes = Number(db.prepare("PRAGMA page_size").get()!.page_size);
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
}

function version(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()!.user_version);
}
