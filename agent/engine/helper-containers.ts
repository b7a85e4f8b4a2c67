import type Docker from "dockerode";
import { engineCall, engineTry } from "./engine-call.ts";

/** Label of containers that do one thing for the agent and then go; its value is the agent's instance. */
export const HELPER_LABEL = "perigee.helper";

/**
 * Removes the helpers that an agent left which died meanwhile.
 * @param before ms since 1970: those made since then are at work
 * @throws PerigeeError ENGINE_UNAVAILABLE
 */
export async function removeHelpers(docker: Docker, instance: string, before: number): Promise<void> {
  const filters = { label: [`${HELPER_LABEL}=${instance}`] };
  const found = await engineCall(() => docker.listContainers({ all: true, filters }));
  // the engine tells whole seconds
  for (const { Id } of found.filter(({ Created }) => Created < Math.floor(before / 1000))) {
    // 409: the engine is at it
    await engineTry(() => docker.getContainer(Id).remove({ force: true, v: true }), 404, 409);
  }
}
