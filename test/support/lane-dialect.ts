import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { failureResponse } from "#lambdas/http/errors.ts";
import type { LaneOptions } from "#lambdas/ledger/lane-options.ts";

/** A dialect that has a lane and nothing else. */
export function laneDialect(lane: Omit<LaneOptions, "onEnd">): Dialect {
  return {
    name: lane.name,
    lanes: [lane],
    paths: [],
    authenticate: async () => new Response(null, { status: 401 }),
    mount: () => {},
    errors: failureResponse,
    describe: async () => () => {},
  };
}
