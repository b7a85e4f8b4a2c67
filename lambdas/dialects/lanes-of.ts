import { FIRST_LANE } from "../ledger/first-lane.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions, type QueueBounds } from "../ledger/lane-options.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import type { Dialect } from "./dialect.ts";
import { OwnRecords } from "./own-records.ts";

/**
 * The lanes of a ground: the EM's, which Perigee's own uplinks go through whether the EM is on or not, and those of
 * the other dialects, each with what its dialect writes when one of its commands ends.
 * @param bounds of the EM's lane, in place of its own
 */
export function lanesOf(
  dialects: readonly Dialect[],
  store: LedgerStore,
  bounds: Partial<QueueBounds> = {},
): LaneOptions[] {
  const others = dialects.flatMap(({ name, lanes, onEnd }) => {
    const own = new OwnRecords(store, name);
    return lanes
      .filter((lane) => lane.name !== FIRST_LANE)
      .map((lane): LaneOptions => {
        if (!onEnd) return lane;
        return { ...lane, onEnd: async (command) => own.writes(await onEnd(own, command)) };
      });
  });
  const { queuePerEdge, queuePerUser } = { ...FIRST_LANE_OPTIONS.bounds, ...bounds };
  return [{ ...FIRST_LANE_OPTIONS, bounds: { queuePerEdge, queuePerUser } }, ...others];
}
