import { LIMITS, MiB } from "#protocol/limits.ts";
import type { WantedEnvironment } from "#protocol/pool-wire.ts";
import type { RunSpec } from "../pods/pod-runtime.ts";

/** The operator's bounds of one runner. */
export type RunnerBounds = {
  /** bytes that a pod may have: a runner gets no more */
  memoryBytes: number;
  /** CPUs that one runner may take when nobody else wants them */
  maxCpus: number;
  scratchBytes: number;
  /** `open`: those of environments with network access reach public addresses */
  network: "none" | "open";
};

/** The working directory where the image names none, or `/`. */
export const WORKSPACE = "/workspace";

/** Engines take no less. */
const LEAST_MEMORY = 6 * MiB;

/** Engines refuse more. */
const MOST_SHARES = 262_144;

/**
 * Process 1: it only waits. A shell that waits reaps every process that loses its parent; an engine's own init is often
 * not installed.
 */
const PROCESS_1 = ["/bin/bash", "-c", "while :; do sleep 3600; done"];

/** Ports that a runner with a network is to open. Pure. */
export function portsOf({ networkAccess, exposedPorts }: WantedEnvironment["spec"]): number {
  return networkAccess ? new Set(exposedPorts ?? []).size : 0;
}

/** What a runner of an environment is started as. Pure. */
export function runnerSpec(
  id: string,
  { user, spec }: Pick<WantedEnvironment, "user" | "spec">,
  imageId: string,
  bounds: RunnerBounds,
): RunSpec {
  const { cpuLimit, memoryLimit, networkAccess, exposedPorts } = spec;
  const isOpen = bounds.network === "open" && networkAccess;
  const memory = memoryLimit > 0 ? Math.max(memoryLimit * MiB, LEAST_MEMORY) : bounds.memoryBytes;
  const millis = Math.round(cpuLimit > 0 ? cpuLimit : 1000);
  return {
    run: id,
    user,
    pod: id,
    mounts: [],
    imageId,
    // any node will do
    node: "",
    kind: "MPU",
    command: PROCESS_1,
    ports: isOpen ? [...new Set(exposedPorts ?? [])] : [],
    envs: {},
    network: isOpen ? "open" : "none",
    limits: {
      memoryBytes: Math.min(memory, bounds.memoryBytes),
      cpus: bounds.maxCpus,
      pids: LIMITS.runnerPids,
    },
    defaultWorkdir: WORKSPACE,
    graceMs: 0,
    runner: {
      // a share, not a quota: 20 MHz as a quota would stretch a second to a minute
      ...(cpuLimit > 0 && {
        cpuShares: Math.min(MOST_SHARES, Math.max(2, Math.round((cpuLimit * 1024) / 1000))),
      }),
      cpuMillis: Math.max(1, Math.min(millis, Math.round(bounds.maxCpus * 1000))),
      scratchBytes: bounds.scratchBytes,
    },
  };
}
