import type { Item, LedgerStore, Query } from "../ports/ledger-store.ts";
import { pagesOf } from "../ports/pages-of.ts";

const PAGE = 1000;

/** All items of a query, page by page. */
export async function queryAll<T>(
  store: LedgerStore,
  query: Omit<Query, "limit" | "descending">,
): Promise<Item<T>[]> {
  const items: Item<T>[] = [];
  for await (const page of pagesOf<T>(store, { ...query, limit: PAGE })) items.push(...page);
  return items;
}
