import * as z from "zod";
import { mappedPort, RUNNER_ENDS, runnerId } from "#protocol/runners.ts";

/**
 * `starting`: it may have a container or none. `idle`: it answered its test execution. `used`: it was handed out.
 * `ending`: its container is to be removed, or is gone, and the ground may not know yet.
 */
export const runnerRecord = z.object({
  id: runnerId,
  user: z.string(),
  generation: z.number().int(),
  state: z.enum(["starting", "idle", "used", "ending"]),
  /** the environment's word for its image, and the content ID that it was started with */
  image: z.string(),
  imageId: z.string().optional(),
  ports: z.array(mappedPort).default([]),
  /** why it ends */
  end: z.enum(RUNNER_ENDS).optional(),
  /** it ended before it was idle: the ground never heard of it, and nothing is kept of it */
  unheard: z.boolean().optional(),
  /** its container is gone */
  removed: z.boolean().optional(),
  /** when its last session began, or it was handed out, ms since 1970 by the agent's steady clock */
  activeAt: z.number().optional(),
  /** it ends after so long without a session */
  inactivityMs: z.number().optional(),
  /** executions ran there when this was written: how far they come without this agent nobody knows */
  busy: z.boolean().optional(),
});
export type RunnerRecord = z.infer<typeof runnerRecord>;
