import { hasBuildOptions, toFirstBuild } from "./image-build.ts";
import { FIRST_OPERATIONS, OPERATIONS, type OperationName } from "./operations.ts";
import { toFirstRun } from "./pod-run.ts";

/** What an agent can do beyond carrying out its operations, as it says when it starts. */
export const FEATURES = {
  /** `pod.run` takes mounts, durations in ms and the rest of protocol/pod-run.ts */
  podMounts: "pod-mounts",
  /** `image.build` takes its source from a volume or from staged files, and can return its log */
  buildSources: "build-sources",
  /** `image.build` takes `noCache` and `bases` */
  buildOptions: "build-options",
  /** operations on volumes and images, and runs, know name spaces */
  spaces: "spaces",
  /** `volume.read` sends a directory as a zip when it is asked to */
  zip: "volume.read.zip",
  /** `volume.patch` takes `base`, and deltas with the manifest at their end */
  deltaBase: "volume.patch.base",
  /** `pod.run` takes an FPGA image, which the device is programmed with before the run starts */
  fpgaRuns: "fpga-runs",
  /** `pod.run` takes a host name and a space of its image, `pod.start` takes mounts */
  instances: "instances",
  /** it has many commands at the same time, of several lanes */
  lanes: "lanes",
  /** it says when a command has got its resources, and what it waits for */
  grants: "grants",
} as const;

/** Accepts also what an older ground recorded. The agent refuses malformed input. */
function inputFor(
  operation: OperationName,
  input: unknown,
  can: (feature: string) => boolean,
): { input: unknown } | undefined {
  if (operation === "pod.run") {
    const { data: run } = OPERATIONS["pod.run"].input.safeParse(input);
    if (run?.fpga && !can(FEATURES.fpgaRuns)) return undefined;
    if ((run?.hostname ?? run?.imageSpace) !== undefined && !can(FEATURES.instances)) return undefined;
    if (run === undefined || can(FEATURES.podMounts)) return { input: run ?? input };
    const first = toFirstRun(run);
    return first && { input: first };
  }
  if (operation === "volume.patch") {
    const base = (input as { base?: unknown } | null)?.base;
    // Another would find it broken, when all of it has crossed the link; what an older ground recorded is for both to answer.
    return base === undefined || can(FEATURES.deltaBase) ? { input } : undefined;
  }
  if (operation === "pod.start") {
    const { data: start } = OPERATIONS["pod.start"].input.safeParse(input);
    return start?.mounts && !can(FEATURES.instances) ? undefined : { input };
  }
  if (operation === "image.build") {
    const { data: build } = OPERATIONS["image.build"].input.safeParse(input);
    if (build && hasBuildOptions(build) && !can(FEATURES.buildOptions)) return undefined;
    if (build === undefined || can(FEATURES.buildSources)) return { input: build ?? input };
    const first = toFirstBuild(build);
    return first && { input: first };
  }
  return { input };
}

/** Names of these operations in versions up to 0.2. They always keep their meaning. */
const FIRST_NAMES: Partial<Record<OperationName, OperationName>> = {
  "file.delete": "volume.delete",
  "volume.remove": "volumes.delete",
};

/**
 * The name by which an agent knows an operation; undefined when it does not. Pure.
 * @param known names that it told at its start
 */
export function nameFor(operation: string, known: readonly string[] = FIRST_OPERATIONS): string | undefined {
  if (known.includes(operation)) return operation;
  const first = FIRST_NAMES[operation as OperationName];
  return first !== undefined && known.includes(first) ? first : undefined;
}

/** An operation with its input, as it is given to an agent. */
export type Given = { operation: string; input: unknown };

/**
 * A command in the form that its agent understands: an older agent gets operations by their old names and inputs in
 * their old shape. Undefined when the agent cannot carry it out. Pure.
 * @param agent what it said when it started; one of version 0.1 said neither
 * @example
 * asAgentTakes({ operation: "file.delete", input }, {}) // { operation: "volume.delete", input }
 */
export function asAgentTakes(
  { operation, input }: { operation: OperationName; input: unknown },
  agent: { operations?: readonly string[]; features?: readonly string[] },
): Given | undefined {
  const name = nameFor(operation, agent.operations);
  if (name === undefined) return undefined;
  const can = (feature: string) => agent.features?.includes(feature) ?? false;
  // An agent without spaces would act on the volume or image of that name outside of the space.
  if (!can(FEATURES.spaces) && (input as { space?: unknown } | null)?.space !== undefined) return undefined;
  const taken = inputFor(operation, input, can);
  return taken && { operation: name, input: taken.input };
}
