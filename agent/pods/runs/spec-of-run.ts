import { inSpace } from "#protocol/names.ts";
import type { RunMount, RunSpec } from "../pod-runtime.ts";
import type { RunRecord } from "./run-record.ts";

/** What a runtime needs to start the recorded run. Pure. @param graceMs between SIGTERM and SIGKILL, where it does not say */
export function specOfRun(record: RunRecord, graceMs: number): RunSpec {
  const { input } = record;
  return {
    run: record.run,
    user: record.user,
    pod: input.pod,
    hostname: input.hostname,
    ...(input.address && { address: true }),
    mounts: input.mounts.map((mount): RunMount => {
      const volume = inSpace(mount.volume, input.space);
      return { ...mount, volume, path: record.volumes[volume] ?? "" };
    }),
    imageId: record.imageId ?? "",
    node: record.node ?? "",
    kind: record.kind ?? input.kind ?? "MPU",
    pinned: input.node !== undefined,
    command: input.command,
    args: input.args,
    ports: input.ports,
    envs: input.envs,
    network: input.network,
    limits: input.limits,
    defaultWorkdir: input.defaultWorkdir,
    maxMs: input.maxMs,
    graceMs: input.graceMs ?? graceMs,
  };
}
