import * as z from "zod";

/** Runners: containers kept warm in pools, each handed out once (docs/architecture.md). What both sides agree on. */

/** An environment as it was put; `null` where nothing was given. */
export const environmentSpec = z.object({
  image: z.string(),
  prewarmingPoolSize: z.number(),
  /** MHz: a share, not a quota */
  cpuLimit: z.number(),
  /** MiB; 0: the edge's own bound */
  memoryLimit: z.number(),
  networkAccess: z.boolean(),
  exposedPorts: z.array(z.number().int()).nullable(),
});
export type EnvironmentSpec = z.infer<typeof environmentSpec>;

/** Why a runner is gone. */
export const RUNNER_ENDS = [
  "deleted",
  "inactive",
  "replaced",
  "oom",
  "exited",
  "evicted",
  "lost",
  "unstoppable",
] as const;
export type RunnerEnd = (typeof RUNNER_ENDS)[number];

/** `starting` → `idle` (it answered its test execution) → `used` → gone. */
export const RUNNER_STATES = ["starting", "idle", "used"] as const;
export type RunnerState = (typeof RUNNER_STATES)[number];

/** `<environment>-<uuid>` */
export const runnerId = z.string().regex(/^[0-9]+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

export const mappedPort = z.object({ exposedPort: z.number().int(), hostAddress: z.string() });
export type MappedPort = z.infer<typeof mappedPort>;

/** What an agent says it can do when it keeps pools of runners (`features` of /agent/start). */
export const RUNNERS_FEATURE = "runners";

/** The environment that a runner was made from. @param id a {@link runnerId} */
export function environmentOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}
