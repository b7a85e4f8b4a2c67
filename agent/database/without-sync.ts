import type { DatabaseSync } from "node:sqlite";

/**
 * Writes what survives the process, and not a power cut, without waiting for the disk. The next durable write of
 * anything takes it along.
 */
export function withoutSync<T>(database: DatabaseSync, write: () => T): T {
  database.exec("PRAGMA synchronous = NORMAL");
  try {
    return write();
  } finally {
    database.exec("PRAGMA synchronous = FULL");
  }
}
