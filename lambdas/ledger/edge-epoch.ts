import type { EdgeState } from "./edge-state.ts";
import { NEW_EDGE } from "./edge-state.ts";
import { keys } from "./keys.ts";
import type { LedgerDeps } from "./ledger-deps.ts";

/** The epoch of the agent that serves the edge now; 0 when none ever has. */
export async function epochOf({ store }: LedgerDeps, edge: string): Promise<number> {
  return ((await store.get<Pick<EdgeState, "epoch">>(keys.edgeState(edge)))?.data ?? NEW_EDGE).epoch;
}
