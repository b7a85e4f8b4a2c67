import type { LaneOptions } from "../../ledger/lane-options.ts";

/**
 * Calls of one or several users run at the same time; those on one object in the order in which they came. Builds and
 * transfers run long: one user's do not keep others out.
 */
export const UNIK_LANE = {
  name: "unik",
  width: 8,
  order: "round-robin",
  sharesPlaces: true,
  bounds: { queuePerEdge: 100, queuePerUser: 20 },
} as const satisfies Omit<LaneOptions, "onEnd">;
