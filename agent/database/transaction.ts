import type { DatabaseSync } from "node:sqlite";

/** Does all of `work`'s writes, durably, or none: what it throws undoes them. */
export function transaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    // SQLite itself has undone it when the disk is full.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
