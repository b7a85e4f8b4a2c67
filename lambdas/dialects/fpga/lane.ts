import type { LaneOptions } from "../../ledger/lane-options.ts";

/** Transfers and deletions of files: neither delays nor locks what other lanes do. */
export const FPGA_LANE = {
  name: "fpga",
  width: 2,
  order: "first-come",
  bounds: { queuePerEdge: 100, queuePerUser: 100 },
} as const satisfies Omit<LaneOptions, "onEnd">;

/** First part of its keys in staging: objects as they were when they were registered, `fpga/<user>/<pin>/0`. */
export const PINS = "fpga";

/** How long (ms) a file waits for its edge to take it. */
export const STORE_MS = 7 * 24 * 60 * 60_000;
