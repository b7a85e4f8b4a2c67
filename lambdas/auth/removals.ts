import { ConditionFailed, type LedgerStore } from "../ports/ledger-store.ts";
import { keys, type RemovalRecord } from "./keys.ts";

/** Removals handled in one go: the next round goes on. */
const MOST = 100;

/**
 * Users and grants that are gone, and with which more has to go: `Accounts` notes them in the transactions that
 * remove them, whichever process does that.
 */
export class Removals {
  readonly #store: LedgerStore;

  constructor(store: LedgerStore) {
    this.#store = store;
  }

  /** Forgets each for which `remove` says that all has gone; any other comes again with the next call. */
  async each(remove: (removal: RemovalRecord) => Promise<boolean>): Promise<void> {
    for (const { pk, sk, rev, data } of await this.#store.query<RemovalRecord>({
      pk: keys.removals,
      limit: MOST,
    })) {
      if (!(await remove(data))) continue;
      await this.#store.transact([{ delete: { pk, sk }, if: rev }]).catch((error: unknown) => {
        // granted again, or another round did it
        if (!(error instanceof ConditionFailed)) throw error;
      });
    }
  }
}
