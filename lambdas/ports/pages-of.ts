import type { Item, LedgerStore, Query } from "./ledger-store.ts";

/** All items of a query, `limit` at a time: the last page may be empty. */
export async function* pagesOf<T>(
  store: Pick<LedgerStore, "query">,
  query: Omit<Query, "descending"> & { limit: number },
): AsyncGenerator<Item<T>[]> {
  for (let { after } = query; ; ) {
    const page = await store.query<T>({ ...query, ...(after !== undefined && { after }) });
    yield page;
    if (page.length < query.limit) return;
    after = page.at(-1)?.sk;
  }
}
