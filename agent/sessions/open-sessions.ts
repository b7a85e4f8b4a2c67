import type Docker from "dockerode";
import type { AgentConfig } from "../config.ts";
import type { PodSessions } from "./pod-sessions.ts";

/** What works inside running containers, by where pods run; undefined where nobody may. */
export function openSessions(
  config: AgentConfig,
  _parts: { docker: Docker; instance: string },
): PodSessions | undefined {
  if (config.kubernetes) return undefined;
  return undefined;
}
