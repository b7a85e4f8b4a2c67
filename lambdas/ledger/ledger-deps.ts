import type { LedgerStore, Write } from "../ports/ledger-store.ts";
import type { LaneChanges } from "./changes.ts";
import type { Command } from "./command.ts";
import type { Lanes } from "./lane-options.ts";

/** Times (ms) by which the ledger gives up what nobody goes on with. */
export type LedgerLimits = Record<
  "contactMs" | "abandonedMs" | "stagingMs" | "partsIdleMs" | "partsMs",
  number
>;

/** What each verb of the ledger stands on. */
export type LedgerDeps = {
  store: LedgerStore;
  changes: LaneChanges;
  lanes: Lanes;
  limits: LedgerLimits;
  /** the ground's clock, ms since 1970 */
  now: () => number;
};

/** The dialect's own records for the end of a command. */
export async function endWrites({ lanes }: LedgerDeps, command: Command): Promise<Write[]> {
  return (await lanes.get(command.lane)?.onEnd?.(command)) ?? [];
}
