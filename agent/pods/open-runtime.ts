import type Docker from "dockerode";
import type { AgentConfig } from "../config.ts";
import type { ImageHandover } from "../images/handover/image-handover.ts";
import { DockerRuntime } from "./docker/runtime.ts";
import type { KubernetesConfig } from "./kubernetes/config.ts";
import { openKubernetes } from "./kubernetes/open-kubernetes.ts";
import type { OpenNetwork } from "./open-network.ts";
import type { PodRuntime } from "./pod-runtime.ts";
import type { KnownVmImages } from "./qemu/images/known-vm-images.ts";
import type { Kvm } from "./qemu/kvm/kvm.ts";
import { QemuRuntime } from "./qemu/runtime.ts";
import { Runtimes } from "./runtimes.ts";

export type RuntimeParts = {
  docker: Docker;
  /** label of what this agent makes */
  instance: string;
  /** known to nobody but this agent */
  secret: string;
  /** directory of all volumes, absolute */
  volumes: string;
  /** directory for ways into the users' networks */
  forward: string;
  /** where a cluster finds images */
  images?: ImageHandover;
  /** the images for virtual machines, a directory for machines' files, and the host's own virtualisation */
  machines: { images: KnownVmImages; directory: string; kvm: Kvm };
  /** for the operator */
  warn?(message: string): void;
};

/**
 * The ways to run pods by the agent's configuration: the Docker engine, and a cluster, which then comes first.
 * @throws Error that names what is missing
 */
export async function openRuntimes(config: AgentConfig, parts: RuntimeParts): Promise<Runtimes> {
  const { kubernetes, nodes } = config;
  const cluster = kubernetes && (await openCluster(kubernetes, config, parts));
  if (cluster && nodes.length === 0) return new Runtimes(cluster);
  const docker = openDocker(config, parts);
  const machines = openMachines(config, parts, docker);
  return cluster ? new Runtimes(cluster, docker, machines) : new Runtimes(docker, machines);
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
    from: config.instanceAddresses.from,
    images,
    pod: config.pod,
    runners: {
      ...{ most: max, maxCpus, scratchBytes, ports },
      ...(network === "open" && { open: openNetworkOf(config.runners) }),
    },
  });
}

function openDocker(config: AgentConfig, parts: RuntimeParts): DockerRuntime {
  const { warn } = parts;
  return new DockerRuntime({
    ...inEngine(config, parts),
    ...(warn && { warn }),
    ...(config.networkPool && { networkPool: config.networkPool }),
    devices: config.devices,
    forwarders: { directory: parts.forward },
    ...(config.runners.network === "open" && { runnerNetwork: openNetworkOf(config.runners) }),
  });
}

/** Machines in the engine beside its containers. */
function openMachines(
  config: AgentConfig,
  parts: RuntimeParts,
  { networks, turns, forwarders }: DockerRuntime,
): PodRuntime {
  const { freeFloorBytes } = config;
  const shared = { networks, turns, ...(forwarders && { forwarders }) };
  return new QemuRuntime({ ...inEngine(config, parts), ...parts.machines, ...shared, freeFloorBytes });
}

/** What is the same for all that run in the engine. */
function inEngine(config: AgentConfig, { docker, instance }: RuntimeParts) {
  return {
    docker,
    instance,
    nodes: config.nodes,
    limits: { memory: config.pod.memoryBytes, cpus: config.pod.cpus, pids: config.pod.pids },
  };
}

function openNetworkOf({ hostAddress, dns }: AgentConfig["runners"]): OpenNetwork {
  return { dns, ...(hostAddress !== undefined && { hostAddress }) };
}
