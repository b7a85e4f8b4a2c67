import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";

/** Tokens of Poseidon's API for users of a ground whose ledger this file is. @returns one for each, in order */
export async function makeTokens(ledger: string, users: readonly string[]): Promise<string[]> {
  const store = new SqliteStore(ledger);
  try {
    const accounts = new Accounts(store);
    const tokens = operatorTokens(store, "poseidon");
    return await Promise.all(
      users.map(async (name) => {
        const { uid } = (await accounts.getUser(name))!;
        return tokens.add({ name: `contract-${name}`, user: name, uid, createdAt: Date.now() });
      }),
    );
  } finally {
    await store.close();
  }
}
