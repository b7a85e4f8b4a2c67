import type { EdgeOffer } from "#protocol/edge-offer.ts";
import { keys } from "../ledger/keys.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";

/** What the edge can do, as its agent told it last; undefined when it never has. */
export async function storedOffer(store: LedgerStore, edge: string): Promise<EdgeOffer | undefined> {
  return (await store.get<EdgeOffer>(keys.offer(edge)))?.data;
}
