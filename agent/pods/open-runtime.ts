import type Docker from "dockerode";
import type { AgentConfig } from "../config.ts";
import type { ImageHandover } from "../images/handover/image-handover.ts";
import { DockerRuntime } from "./docker/runtime.ts";
import type { KubernetesConfig } from "./kubernetes/config.ts";
import { openKubernetes } from "./kubernetes/open-kubernetes.ts";
import type { OpenNetwork } from "./open-network.ts";
import type { PodRuntime } from "./pod-runtime.ts";
import { Runtimes } from "./runtimes.ts";

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

/**
 * The ways to run pods by the agent's configuration: the Docker engine, and a cluster, which then comes first.
 * @throws Error that names what is missing
 */
export async function openRuntimes(config: AgentConfig, parts: RuntimeParts): Promise<Runtimes> {
  const docker = () => openDocker(config, parts);
  if (!config.kubernetes) return new Runtimes(docker());
  const cluster = await openCluster(config.kubernetes, config, parts);
  return config.nodes.length > 0 ? new Runtimes(cluster, docker()) : new Runtimes(cluster);
}

function openCluster(
  cluster: KubernetesConfig,
  config: AgentConfig,
  { images, ...parts }: RuntimeParts,
): Promise<PodRuntime> {
  if (!images) throw new Error("kubernetes is configured, so imageRegistry must be too");
  const { max, maxCpus, scratchBytes, network, ports } = config.runners;
  return openKubernetes(cluster, {
    ...parts,
    images,
    pod: config.pod,
    runners: {
      ...{ most: max, maxCpus, scratchBytes, ports },
      ...(network === "open" && { open: openNetworkOf(config.runners) }),
    },
  });
}

function openDocker(config: AgentConfig, { docker, instance, warn }: RuntimeParts): PodRuntime {
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
