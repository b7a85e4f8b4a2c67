import { MiB } from "#protocol/limits.ts";
import type { RunLimits } from "./pod-runtime.ts";

/** What one pod may use. */
export type PodLimits = {
  /** bytes, without swap; default 1 GiB */
  memory: number;
  /** CPUs; default 1 */
  cpus: number;
  /** processes and threads; default 512 */
  pids: number;
  /** bytes of log the engine keeps per run, in two files; default 10 MiB */
  log: number;
};

export const DEFAULT_POD_LIMITS: PodLimits = {
  memory: 1024 * MiB,
  cpus: 1,
  pids: 512,
  log: 10 * MiB,
};

/**
 * Of the engine's default capabilities a pod keeps those that a root payload needs to own and read files, bind low
 * ports, drop privileges and signal its children. NET_RAW would let it speak past the isolation (forged ARP),
 * MKNOD would let it leave device files in the volume.
 */
export const DROPPED_CAPABILITIES = ["NET_RAW", "MKNOD", "SYS_CHROOT", "SETFCAP", "SETPCAP", "AUDIT_WRITE"];

/** What a run may use: its own limits, where they are less than those of every pod. Pure. */
export function limitsOf(most: PodLimits, own: RunLimits = {}): PodLimits {
  return {
    ...most,
    memory: Math.min(most.memory, own.memoryBytes ?? most.memory),
    cpus: Math.min(most.cpus, own.cpus ?? most.cpus),
    pids: Math.min(most.pids, own.pids ?? most.pids),
  };
}
