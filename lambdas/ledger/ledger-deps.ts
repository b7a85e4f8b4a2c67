import { setTimeout as sleep } from "node:timers/promises";
import { ConditionFailed, type LedgerStore } from "../ports/ledger-store.ts";
import type { LaneChanges } from "./changes.ts";
import type { Command } from "./command.ts";
import type { EndRecords } from "./lane-change.ts";
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
  /** names of the lanes with a record, by edge, as this process saw them last: a hint of what to ask for, no more */
  recorded: Map<string, readonly string[]>;
  limits: LedgerLimits;
  /** the ground's clock, ms since 1970 */
  now: () => number;
  /** told of an end that was written without its dialect's records */
  endWithoutRecords: (command: Command, error: unknown) => void;
};

/** Pauses (ms) between the times that a dialect is asked for its records of one end. */
const ASKED_AGAIN_MS = [20, 200];

/**
 * The dialect's own records for the end of a command. A dialect that fails again and again gives none: its fault must
 * not keep the command from its end, and with it the lane from going on.
 */
export async function endRecords(deps: LedgerDeps, command: Command): Promise<EndRecords> {
  const leftOut = (error: unknown) => deps.endWithoutRecords(command, error);
  const onEnd = deps.lanes.get(command.lane)?.onEnd;
  if (!onEnd) return { writes: [], leftOut };
  for (let n = 0; ; n++) {
    try {
      return { writes: await onEnd(command), leftOut };
    } catch (error) {
      if (error instanceof ConditionFailed) throw error;
      const pause = ASKED_AGAIN_MS[n];
      if (pause === undefined) return { writes: [], leftOut, failed: error };
      await sleep(pause);
    }
  }
}
