import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { until } from "./processes.ts";

/** A lock that the operating system frees when its holder dies, however it dies. */
export type FileLock = { release(): void };

/**
 * Takes the lock at `path` (created if missing), trying for `waitMs`.
 * Node has no flock(2); SQLite's exclusive mode is the same lock with the same end.
 * @returns undefined when somebody else holds it.
 */
export async function takeLock(path: string, waitMs = 0): Promise<FileLock | undefined> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let lock: FileLock | undefined;
  await until(() => {
    lock = tryLock(path);
    return lock !== undefined;
  }, waitMs);
  return lock;
}

function tryLock(path: string): FileLock | undefined {
  // No waiting inside SQLite: it would stop this whole process, and with it a holder that is in it too
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode === 5 /* SQLITE_BUSY */) return undefined;
    throw error;
  }
  return { release: () => db.close() };
}
