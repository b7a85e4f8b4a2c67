import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";

/** For other processes: opens the SQLite table at `path`. */
export async function openStore(path: string): Promise<SqliteStore> {
  return new SqliteStore(path);
}
