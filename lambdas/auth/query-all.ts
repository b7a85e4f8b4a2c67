import type { Item, LedgerStore, Query } from "../ports/ledger-store.ts";

/** All items of a query, page by page. */
export async function queryAll<T>(
  store: LedgerStore,
  query: Omit<Query, "limit" | "descending">,
): Promise<Item<T>[]> {
  const PAGE = 1000;
  const items: Item<T>[] = [];
  for (;;) {
    const page = await store.query<T>({ ...query, after: items.at(-1)?.sk ?? query.after, limit: PAGE });
    items.push(...page);
    if (page.length < PAGE) return items;
  }
}
