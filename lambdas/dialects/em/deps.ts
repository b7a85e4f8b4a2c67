import type { Context } from "hono";
import type { ReadCommandOrder } from "../../auth/command-order.ts";
import type { ContentDeps } from "../../content/staged-content.ts";
import type { Dispatch } from "../../dispatch/dispatch.ts";
import type { GroundEnv } from "../../http/env.ts";
import type { PodKey, PodLogs } from "../../logs/pod-logs.ts";
import type { CompleteRun } from "../complete-run.ts";

export type EmContext = Context<GroundEnv>;

/** The runs of pods as the ground knows them. */
export interface KnownRuns {
  /** Runs of one pod, newest first. */
  find(of: PodKey): Promise<{ run: string; terminated: boolean }[]>;
}

/** The logs of runs as the agent pushed them. */
export type KnownLogs = Pick<PodLogs, "runs" | "read" | "follow">;

/** What the EM routes stand on. */
export type EmDeps = ContentDeps & {
  dispatch: Dispatch;
  /** ms since 1970 */
  now: () => number;
  podLogs: KnownLogs;
  runs: KnownRuns;
  /** Adds the FPGA image that a run is to have. @throws FPGA_IMAGE_NOT_FOUND, FPGA_IMAGE_NOT_ACTIVE, INVALID_PARAMETERS */
  completeRun: CompleteRun;
  /** The edge meant by the header `Perigee-Edge`, or by its absence. @throws EDGE_NOT_FOUND */
  resolveEdge(user: string, header: string | undefined): Promise<string>;
  /** when the command of a request is to be taken, as its headers say. @throws INVALID_PARAMETERS */
  orderOf: ReadCommandOrder;
  /** most bytes of a request's body here (default LIMITS.uplinkBodyBytes): a larger uplink comes in parts */
  requestBytes?: number;
  /** ms that the process has for its request (default: without end): a followed log ends before */
  timeLeftMs?: () => number;
};
