import type { RunSpec } from "./pod-runtime.ts";

/** What an image runs by itself; empty where it names nothing. */
export type ImageCommand = { entrypoint: readonly string[]; cmd: readonly string[] };

/** The words that a run's first process is started with, by Kubernetes' rule: `command` drops the image's CMD. Pure. */
export function argvOf(spec: Pick<RunSpec, "command" | "args">, image: ImageCommand): string[] {
  const args = spec.args?.length ? spec.args : undefined;
  return spec.command?.length
    ? [...spec.command, ...(args ?? [])]
    : [...image.entrypoint, ...(args ?? image.cmd)];
}
