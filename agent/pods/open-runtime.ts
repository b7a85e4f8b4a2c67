import type Docker from "dockerode";
import type { AgentConfig } from "../config.ts";
import type { ImageHandover } from "../images/handover/image-handover.ts";
import { DockerRuntime } from "./docker/runtime.ts";
import { openKubernetes } from "./kubernetes/open-kubernetes.ts";
import type { OpenNetwork } from "./open-network.ts";
import type { PodRuntime } from "./pod-runtime.ts";

export type RuntimeParts = {
  docker: Docker;
  /** label of what this agent makes */
  instance: string;
  /** known to nobody but this agent */
  secret: string;
  /** directory of all volumes, absolute */
  volumes: string;
  /** where a cluster finds images */
  images?: ImageHandover;
  /** for the operator */
  warn?(message: string): void;
};

/** Where pods run by the agent's configuration: the Docker engine, or a cluster. @throws Error that names what is missing */
export async function openRuntime(config: AgentConfig, parts: RuntimeParts): Promise<PodRuntime> {
  const { docker, instance, images, warn } = parts;
  if (config.kubernetes) {
    if (!images) throw new Error("kubernetes is configured, so imageRegistry must be too");
    const { max, maxCpus, scratchBytes, network, ports } = config.runners;
    return openKubernetes(config.kubernetes, {
      ...parts,
      images,
      pod: config.pod,
      runners: {
        ...{ most: max, maxCpus, scratchBytes, ports },
        ...(network === "open" && { open: openNetworkOf(config.runners) }),
      },
    });
  }
  return new DockerRuntime({
    docker,
    instance,
    nodes: config.nodes,
    limits: { memory: config.pod.memoryBytes, cpus: config.pod.cpus, pids: config.pod.pids },
    devices: config.devices,
    ...(warn && { warn }),
    ...(config.runners.network === "open" && { runnerNetwork: openNetworkOf(config.runners) }),
    ...(config.networkPool && { networkPool: config.networkPool }),
  });
}

function openNetworkOf({ hostAddress, dns }: AgentConfig["runners"]): OpenNetwork {
  return { dns, ...(hostAddress !== undefined && { hostAddress }) };
}
