import type { LaneOptions } from "../../ledger/lane-options.ts";

export const JOB_LANE = "kabuto";
/** Builds hold no place of jobs. */
export const BUILD_LANE = "kabuto-build";
/** Name space of what this API makes on the edge. */
export const SPACE = "kabuto";

/** Wide, so that jobs whose results are being sent do not keep others out: the agent holds how many run. */
export const LANES: readonly Omit<LaneOptions, "onEnd">[] = [
  {
    name: JOB_LANE,
    width: 64,
    order: "round-robin",
    sharesPlaces: true,
    bounds: { queuePerEdge: 400, queuePerUser: 100 },
  },
  // one at a time, in the order of their requests: what a build stands on is removed after it
  {
    name: BUILD_LANE,
    width: 1,
    fixedWidth: true,
    order: "first-come",
    bounds: { queuePerEdge: 400, queuePerUser: 100 },
  },
];
