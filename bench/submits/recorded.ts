import type { LedgerStore, Write } from "#lambdas/ports/ledger-store.ts";

/** Bytes of each item that a transaction puts, as JSON, in the order of its writes. */
export type Sizes = number[];

/** A store that notes what each transaction puts. */
export function recorded(store: LedgerStore, sizes: Sizes[]): LedgerStore {
  return {
    get: (key) => store.get(key),
    query: (query) => store.query(query),
    sweep: (now, limit) => store.sweep(now, limit),
    close: () => store.close(),
    async transact(writes: Write[]) {
      sizes.push(writes.flatMap((write) => ("put" in write ? [JSON.stringify(write.put.data).length] : [])));
      await store.transact(writes);
    },
  };
}
