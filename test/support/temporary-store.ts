import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";

/** For tests: a store in a directory of its own, gone when the test is; `another` is a second connection. */
export async function temporaryStore(): Promise<{ store: SqliteStore; another: () => SqliteStore }> {
  const directory = await mkdtemp(join(tmpdir(), "perigee-auth-"));
  const stores: SqliteStore[] = [];
  const another = () => {
    const store = new SqliteStore(join(directory, "ledger.db"));
    stores.push(store);
    return store;
  };
  onTestFinished(async () => {
    for (const store of stores) await store.close();
    await rm(directory, { recursive: true });
  });
  return { store: another(), another };
}
