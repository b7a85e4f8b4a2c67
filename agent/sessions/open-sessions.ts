import type Docker from "dockerode";
import type { AgentConfig } from "../config.ts";
import { dockerSessions } from "./docker/docker-sessions.ts";
import { openKubernetesSessions } from "./kubernetes/open-kubernetes-sessions.ts";
import type { PodSessions } from "./pod-sessions.ts";

/** What works inside running containers, by where pods run. @throws Error when the cluster's credentials cannot be read */
export async function openSessions(
  config: AgentConfig,
  { docker, instance }: { docker: Docker; instance: string },
): Promise<PodSessions> {
  if (config.kubernetes) return openKubernetesSessions(config.kubernetes, instance);
  return dockerSessions({ docker, instance });
}
