import type Docker from "dockerode";
import type { AgentConfig } from "../config.ts";
import { dockerSessions } from "./docker/docker-sessions.ts";
import type { PodSessions } from "./pod-sessions.ts";

/** What works inside running containers, by where pods run; undefined where nobody may. */
export function openSessions(
  config: AgentConfig,
  parts: { docker: Docker; instance: string },
): PodSessions | undefined {
  return config.kubernetes ? undefined : dockerSessions(parts);
}
