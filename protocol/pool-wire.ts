import * as z from "zod";
import { LIMITS } from "./limits.ts";
import { environmentSpec, mappedPort, RUNNER_ENDS, RUNNER_STATES, runnerId } from "./runners.ts";

/*
 * How the wanted pools of an edge reach its agent, and what became of them the ground (docs/decisions/220-pools-as-wanted-state.md).
 * Only durations travel, never times: clocks may differ.
 */

const epoch = z.number().int().positive();
const user = z.string().min(1).max(255);
const environmentId = z.number().int().min(0);

/** One environment of the wanted state. A runner of another generation than its environment's is gone. */
export const wantedEnvironment = z.object({
  user,
  id: environmentId,
  generation: z.number().int().positive(),
  spec: environmentSpec,
});
export type WantedEnvironment = z.infer<typeof wantedEnvironment>;

/** GET /agent/pool?epoch= → all environments of the edge, as of at least the counter `pools`. */
export const wantedQuery = z.object({ epoch: z.coerce.number().int().positive() });
export const wantedResponse = z.object({
  pools: z.number().int(),
  environments: z.array(wantedEnvironment).max(LIMITS.environments),
});
export type WantedPools = z.infer<typeof wantedResponse>;

/** A runner as the edge has it; `gone` is told once, with why. */
export const runnerReport = z.object({
  id: runnerId,
  user,
  generation: z.number().int().positive(),
  state: z.enum([...RUNNER_STATES, "gone"]),
  end: z.enum(RUNNER_ENDS).optional(),
  ports: z.array(mappedPort).max(LIMITS.exposedPorts).optional(),
});
export type RunnerReport = z.infer<typeof runnerReport>;

const reports = z.array(runnerReport).max(LIMITS.runnerReports);

/**
 * POST /agent/pool: at every ring, after every change and every 15 s while there are pools; at most 5 a second.
 * `digest` is over all idle and used runners of the edge, as they are after `changed` ({@link runnerDigest}).
 */
export const poolRequest = z.object({
  epoch,
  digest: z.string().length(16),
  /** what became idle or ended since the last request that was answered */
  changed: reports,
  /** idle ones that the edge wants back: it asks, because they may be handed out at this moment */
  withdraw: z.array(runnerId).max(LIMITS.runnerReports).optional(),
  /** all runners that the edge has: sent after a difference was seen, and first of all after a start */
  list: reports.optional(),
  /** why pools are smaller than wanted; all of them, when they have changed */
  reasons: z
    .array(z.object({ user, environment: environmentId, reason: z.string().max(1024) }))
    .max(LIMITS.environments)
    .optional(),
  /** the edge has just compared its records with the engine, as this number asked for */
  compared: z.number().int().optional(),
});
export type PoolRequest = z.infer<typeof poolRequest>;

/** A runner as the ground has it. */
export const groundRunner = z.object({
  id: runnerId,
  state: z.enum(["idle", "used"]),
  /** ms since it was handed out */
  ageMs: z.number().min(0).optional(),
  /** it ends after so long without a session; absent: never */
  inactivityMs: z.number().int().positive().optional(),
});
export type GroundRunner = z.infer<typeof groundRunner>;

export const poolResponse = z.object({
  /** counts changes of the wanted pools: the agent asks for them when it differs */
  pools: z.number().int(),
  /** all runners that are not gone; absent when the digest was that of this list */
  list: z.array(groundRunner).max(LIMITS.runnerReports).optional(),
  /** runners that calls wait for, of environments with a pool of size 0 */
  demand: z
    .array(z.object({ user, environment: environmentId, count: z.number().int().positive() }))
    .max(LIMITS.environments),
  /** asks for a comparison with the engine, to be told as `compared` */
  compare: z.number().int().optional(),
});
export type PoolResponse = z.infer<typeof poolResponse>;
