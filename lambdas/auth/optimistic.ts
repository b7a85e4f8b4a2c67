import { setTimeout as sleep } from "node:timers/promises";
import { ConditionFailed, type Item, type LedgerStore, type Query } from "../ports/ledger-store.ts";

const ATTEMPTS = 60;

/** Repeats a read followed by a conditional write when another writer made the condition false. */
export async function optimistically<R>(attempt: () => Promise<R>): Promise<R> {
  for (let n = 1; ; n++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ConditionFailed) || n === ATTEMPTS) throw error;
      await sleep(Math.random() * Math.min(50, 2 * n));
    }
  }
}

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
