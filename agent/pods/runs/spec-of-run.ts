import type { RunSpec } from "../pod-runtime.ts";
import type { RunRecord } from "./run-record.ts";

/** What a runtime needs to start the recorded run. Pure. */
export function specOfRun(record: RunRecord, options: { minuteMs: number; graceMs: number }): RunSpec {
  const { input } = record;
  return {
    run: record.run,
    user: record.user,
    pod: record.pod,
    volume: record.volume,
    volumePath: record.volumePath,
    imageId: record.imageId ?? "",
    node: record.node ?? "",
    kind: input.node,
    command: input.command,
    args: input.args,
    ports: input.ports,
    envs: input.envs,
    maxMs: input.maxDuration * options.minuteMs,
    graceMs: options.graceMs,
  };
}
