import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { SqliteStore } from "#lambdas/adapters/sqlite-store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { usage } from "./failure.ts";

/** `--data`, PERIGEE_DATA, or `.perigee` here: where the ground keeps everything. */
export function dataDirectory(option: string | undefined): string {
  return resolve(option ?? (process.env.PERIGEE_DATA || ".perigee"));
}

/**
 * Opens the ledger of the ground in `data`, beside a server that may be running on it.
 * @param create make an empty one when there is none
 * @throws CliFailure USAGE when there is none
 */
export async function withLedger<T>(
  data: string,
  create: boolean,
  work: (parts: { accounts: Accounts; ledger: Ledger }) => Promise<T>,
): Promise<T> {
  const path = join(data, "ledger.sqlite");
  if (!create && !existsSync(path)) {
    throw usage(`there is no ground in ${data}`, "name its directory with --data or PERIGEE_DATA");
  }
  const store = new SqliteStore(path);
  try {
    return await work({ accounts: new Accounts(store), ledger: new Ledger(store) });
  } finally {
    await store.close();
  }
}
