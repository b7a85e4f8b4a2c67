import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Accounts } from "#lambdas/auth/accounts.ts";
import type { Ledger } from "#lambdas/ledger/ledger.ts";
import type { OperatorAudit } from "#lambdas/operator/audit.ts";
import type { OperatorLogins } from "#lambdas/operator-logins.ts";
import type { OperatorTokens } from "#lambdas/operator-tokens.ts";
import type { LedgerStore } from "#lambdas/ports/ledger-store.ts";
import type { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import type { EdgeOffer } from "#protocol/edge-offer.ts";
import { usage } from "./failure.ts";

/** The options with which an operator's verb names its ground. */
export type GroundOptions = { data?: string; table?: string };
/** Where a ground keeps its ledger: a directory of this machine, or a table in the cloud. */
export type GroundPlace = { data: string } | { table: string };

/** What a verb of the operator works on. */
export type OperatorParts = {
  accounts: Accounts;
  audit: OperatorAudit;
  ledger: Ledger;
  logins: OperatorLogins;
  /** what an edge can do, as its agent told it last */
  offer: (edge: string) => Promise<EdgeOffer | undefined>;
  tokens: (dialect: string) => OperatorTokens;
  windows: StoredWindows;
};

/** `--data`, PERIGEE_DATA, or `.perigee` here: where the ground keeps everything. */
export function dataDirectory(option: string | undefined): string {
  return resolve(option ?? (process.env.PERIGEE_DATA || ".perigee"));
}

/** `--data`, `--table`, PERIGEE_TABLE, PERIGEE_DATA, or `.perigee` here. @throws CliFailure USAGE for two */
export function groundPlace({ data, table }: GroundOptions): GroundPlace {
  if (data !== undefined && table !== undefined) throw usage("--data and --table exclude each other");
  const named = table ?? (data === undefined ? process.env.PERIGEE_TABLE : undefined);
  return named ? { table: named } : { data: dataDirectory(data) };
}

/**
 * Opens the ledger of a ground, beside a server that may be running on it. AWS's region and credentials come
 * by its own default chain.
 * @param create make an empty one when there is none (a directory only: a table comes with its deployment)
 * @throws CliFailure USAGE when there is none
 */
export async function withLedger<T>(
  options: GroundOptions,
  create: boolean,
  work: (parts: OperatorParts) => Promise<T>,
): Promise<T> {
  const place = groundPlace(options);
  const { store, close } = await ("table" in place ? openTable(place.table) : openData(place.data, create));
  try {
    const [
      { Accounts },
      { OperatorAudit },
      { operatorLedger },
      { OperatorLogins },
      { storedOffer },
      { operatorTokens },
      { StoredWindows },
    ] = await Promise.all([
      import("#lambdas/auth/accounts.ts"),
      import("#lambdas/operator/audit.ts"),
      import("#lambdas/operator-ledger.ts"),
      import("#lambdas/operator-logins.ts"),
      import("#lambdas/inventory/stored-offer.ts"),
      import("#lambdas/operator-tokens.ts"),
      import("#lambdas/windows/stored-windows.ts"),
    ]);
    const accounts = new Accounts(store);
    return await work({
      accounts,
      audit: new OperatorAudit(store),
      ledger: operatorLedger(store),
      logins: new OperatorLogins(store, accounts),
      offer: (edge) => storedOffer(store, edge),
      tokens: (dialect) => operatorTokens(store, dialect),
      windows: new StoredWindows({ store, now: Date.now }),
    });
  } finally {
    await close();
  }
}

type Opened = { store: LedgerStore; close(): Promise<void> };

// Modules of the ground are imported when a verb needs them: they would slow down the start of all other verbs.

async function openData(data: string, create: boolean): Promise<Opened> {
  const path = join(data, "ledger.sqlite");
  if (!create && !existsSync(path)) {
    throw usage(`there is no ground in ${data}`, "name its directory with --data or PERIGEE_DATA");
  }
  const { SqliteStore } = await import("#lambdas/adapters/sqlite/store.ts");
  const store = new SqliteStore(path);
  return { store, close: () => store.close() };
}

async function openTable(table: string): Promise<Opened> {
  const [{ DynamoDBClient }, { DynamoStore }, { clientSettings }] = await Promise.all([
    import("@aws-sdk/client-dynamodb"),
    import("#lambdas/adapters/dynamodb/store.ts"),
    import("#lambdas/adapters/aws/client-settings.ts"),
  ]);
  const client = new DynamoDBClient(clientSettings({}));
  const store = new DynamoStore({ client, table, ttl: true });
  return {
    store,
    async close() {
      await store.close();
      client.destroy();
    },
  };
}
