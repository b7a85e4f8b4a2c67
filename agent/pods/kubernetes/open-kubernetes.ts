import type Docker from "dockerode";
import type { ImageHandover } from "../../images/handover/image-handover.ts";
import { ImageConfigs } from "../image-configs.ts";
import { KubernetesApi } from "./api.ts";
import type { KubernetesConfig } from "./config.ts";
import type { RunnerSettings } from "./runner-network.ts";
import { KubernetesRuntime } from "./runtime.ts";

export type KubernetesParts = {
  /** holds the images, and knows what they are like */
  docker: Docker;
  images: ImageHandover;
  instance: string;
  /** known to nobody but this agent */
  secret: string;
  /** limits of one pod; memory in bytes */
  pod: { memoryBytes: number; cpus: number };
  runners: RunnerSettings;
  /** networks that reach runs with an address on their ports */
  from: readonly string[];
  /** the agent's directory of all volumes, absolute */
  volumes: string;
};

/** The runtime that the configuration describes. Nothing is asked of the cluster. @throws Error without credentials */
export async function openKubernetes(
  config: KubernetesConfig,
  parts: KubernetesParts,
): Promise<KubernetesRuntime> {
  const { kubeconfig, context, storage, requests, quota } = config;
  const imageConfigs = new ImageConfigs(parts.docker);
  return new KubernetesRuntime({
    api: await KubernetesApi.open(kubeconfig ? { kubeconfig, context } : { inCluster: true }),
    instance: parts.instance,
    secret: parts.secret,
    prefix: config.prefix,
    kinds: config.kinds,
    limits: { memory: parts.pod.memoryBytes, cpus: parts.pod.cpus, scratch: config.scratchBytes },
    requests: { memory: requests.memoryBytes, cpus: requests.cpus },
    quota: {
      pods: quota.pods,
      cpus: quota.cpus,
      memory: quota.memoryBytes,
      resources: quota.resources,
    },
    dns: config.dns,
    storage: {
      kind: storage.kind,
      node: storage.node,
      agentPath: parts.volumes,
      nodePath: storage.path ?? parts.volumes,
    },
    runners: parts.runners,
    from: parts.from,
    nodeLostSeconds: config.nodeLostSeconds,
    images: parts.images,
    workdir: (imageId) => imageConfigs.of(imageId),
    commandOf: (imageId) => imageConfigs.commandOf(imageId),
  });
}
