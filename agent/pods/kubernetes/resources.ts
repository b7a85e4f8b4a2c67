import { MiB } from "#protocol/limits.ts";
import type { RunSpec } from "../pod-runtime.ts";

/** What a pod reserves of its node's disk, bytes: most write little, and all of its limit would fill a node soon. */
const RESERVED_SCRATCH = 64 * MiB;

/** Bytes and CPUs that a pod may use; `scratch`: what it may write outside its volume, its log included. */
export type PodBounds = { memory: number; cpus: number; scratch: number };

/** What one pod reserves: less than it may use, as most pods mostly idle. */
export type PodRequests = { /** bytes */ memory: number; cpus: number };

export type ResourceContext = {
  limits: PodBounds;
  requests: PodRequests;
  kind: { /** device resources */ resources?: Readonly<Record<string, string | number>> };
};

/**
 * What the container of a run reserves and may use. A runner's CPUs and disk are bounds of their own, it gets no device,
 * and it reserves what its environment asked for, or as much as every pod. Pure.
 */
export function resourcesOf(spec: RunSpec, context: ResourceContext): object {
  const { requests, kind } = context;
  const { runner } = spec;
  const limits = { ...context.limits, ...lessOf(context.limits, spec) };
  const devices = runner ? {} : { ...kind.resources, ...(spec.resource && { [spec.resource]: 1 }) };
  const share = runner?.cpuShares === undefined ? requests.cpus : runner.cpuMillis / 1000;
  return {
    requests: {
      cpu: cpu(Math.min(share, limits.cpus)),
      memory: String(Math.min(requests.memory, limits.memory)),
      // Without a word of ours it would reserve all that it may write.
      "ephemeral-storage": String(Math.min(RESERVED_SCRATCH, limits.scratch)),
      ...devices,
    },
    limits: {
      cpu: cpu(limits.cpus),
      memory: String(limits.memory),
      "ephemeral-storage": String(limits.scratch),
      ...devices,
    },
  };
}

/** The run's own limits, where they are less than those of every pod. */
function lessOf(most: PodBounds, { limits: own = {}, runner }: RunSpec): PodBounds {
  return {
    memory: Math.min(most.memory, own.memoryBytes ?? most.memory),
    cpus: runner ? (own.cpus ?? most.cpus) : Math.min(most.cpus, own.cpus ?? most.cpus),
    scratch: runner?.scratchBytes ?? most.scratch,
  };
}

function cpu(cpus: number): string {
  return `${Math.ceil(cpus * 1000)}m`;
}
