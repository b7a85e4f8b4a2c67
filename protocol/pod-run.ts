import * as z from "zod";
import { FIELD_BOUNDS, itemsRule, startRule } from "./field-bounds.ts";
import { fpgaImageId } from "./fpga-image.ts";
import { LIMITS } from "./limits.ts";
import { label, NODE_KINDS, space } from "./names.ts";
import { volumePath } from "./volume-path.ts";

/** Paths that container engines mount themselves: nothing of a user is mounted there. */
const ENGINES = ["/dev", "/proc", "/sys"];

/** A place in a container: absolute, normalised, not the root and not the engine's own. */
export const mountPoint = z
  .string()
  .max(LIMITS.pathBytes)
  .refine((path) => /^(?:\/[^/]+)+$/.test(path), "must be an absolute path without a / at its end")
  .refine((path) => path.split("/").every((part) => part !== "." && part !== ".."), "must be normalised")
  .refine((path) => !path.includes("\0"), "must not hold NUL")
  .refine((path) => !ENGINES.some((own) => isWithin(path, own)), "must not lie in /dev, /proc or /sys");

/** A volume of the user's, or what lies at `subPath` in it (a directory is made there if nothing is), in a pod. */
export const podMount = z.object({
  volume: label,
  subPath: volumePath.optional(),
  at: mountPoint,
  readOnly: z.boolean().optional(),
  /** The run is refused where the volume is not there; else, and by older agents, an empty one is made. */
  mustExist: z.boolean().optional(),
});
export type PodMount = z.infer<typeof podMount>;
/** Those of one run: none lies in another. */
export const podMounts = z
  .array(podMount)
  .max(LIMITS.podMounts)
  .check(({ value, issues }) => {
    const rule = mountsRule(value);
    if (rule !== undefined) issues.push({ code: "custom", input: value, message: rule });
  });

export const words = (field: "command" | "args") => z.array(z.string()).max(FIELD_BOUNDS[field].items);
/** Years: a moment that a clock can tell, also when it is added to another. */
export const ms = z.number().int().min(1).max(60_000_000_000_000);

/** A run of a pod, with everything that it takes to run it again. Durations and times in ms. */
const podRun = z
  .object({
    pod: label,
    /** where its volumes and its image are looked for */
    space: space.optional(),
    /** where its image is looked for, if elsewhere */
    imageSpace: space.optional(),
    /** a further name by which the user's other pods reach it */
    hostname: label.optional(),
    /** it is to have an address of its own, which its report tells */
    address: z.boolean().optional(),
    mounts: podMounts,
    /** as the user wrote it: a distribution reference, with tag `latest` meant when none is given */
    image: z.string().max(FIELD_BOUNDS.image.bytes),
    /** name of the node that it must run on; absent: any node of `kind` */
    node: z.string().min(1).max(253).optional(),
    /** absent: a node of any kind */
    kind: z.enum(NODE_KINDS).optional(),
    /** while a pod of that name runs or waits: take its place, or be refused with POD_EXISTS */
    onSameName: z.enum(["replace", "refuse"]),
    /** from its start; absent: no limit */
    maxMs: ms.optional(),
    /** between SIGTERM and SIGKILL when it is stopped; absent, and for older agents: the agent's own time */
    graceMs: ms.optional(),
    /** how long it may be idle; no provider knows idleness yet: refused with NOT_SUPPORTED */
    idleMs: ms.optional(),
    /** below the operator's limits for every pod; values above them have no effect */
    limits: z
      .object({
        memoryBytes: z
          .number()
          .int()
          .min(4 * 1024 * 1024),
        cpus: z.number().positive(),
        pids: z.number().int().min(1),
      })
      .partial()
      .optional(),
    /** `user`: with the user's other pods and nobody else; `none`: no network at all */
    network: z.enum(["user", "none"]),
    /** one way to run pods; absent: whichever the edge has */
    provider: z.string().min(1).max(32).optional(),
    /** working directory for an image that names none, or `/` */
    defaultWorkdir: mountPoint.optional(),
    /** since 1970; absent: at once */
    scheduledAt: z.number().optional(),
    /** FPGA image that its node's device is programmed with, before its first process */
    fpga: z.object({ image: fpgaImageId }).optional(),
    /** replaces ENTRYPOINT and CMD, as in Kubernetes */
    command: words("command").optional(),
    /** replaces CMD */
    args: words("args").optional(),
    ports: z.array(z.number().int().min(1).max(65535)).max(FIELD_BOUNDS.ports.items),
    envs: z.record(z.string(), z.string()),
  })
  .check(({ value, issues }) => {
    const rule = itemsRule("envs", Object.keys(value.envs).length) ?? startRule(value);
    if (rule !== undefined) issues.push({ code: "custom", input: value, message: rule });
  });
export type PodRun = z.infer<typeof podRun>;

/** What versions up to 0.2 take: minutes, and one volume at `/data`. Never changed. */
export type FirstPodRun = {
  pod: string;
  volume: string;
  image: string;
  node: (typeof NODE_KINDS)[number];
  maxDuration: number;
  scheduledTime?: number;
  command?: string[];
  args?: string[];
  ports: number[];
  envs: Record<string, string>;
};

const DATA = "/data";
const MINUTE_MS = 60_000;

/** The input of `pod.run`; what an older ground sent, or an older version recorded, is read as {@link fromFirstRun}. */
export const podRunInput = z.preprocess((input) => (isFirstRun(input) ? fromFirstRun(input) : input), podRun);

function isFirstRun(input: unknown): input is FirstPodRun {
  return typeof input === "object" && input !== null && "maxDuration" in input && !("mounts" in input);
}

/** What a run of versions up to 0.2 means. Pure. */
export function fromFirstRun(run: FirstPodRun): PodRun {
  const { volume, node, maxDuration, scheduledTime, ...same } = run;
  return {
    ...same,
    mounts: [{ volume, at: DATA }],
    kind: node,
    onSameName: "replace",
    maxMs: maxDuration * MINUTE_MS,
    network: "user",
    defaultWorkdir: DATA,
    ...(scheduledTime !== undefined && { scheduledAt: scheduledTime }),
  };
}

/** The same run for an agent of version 0.2 or older; undefined when it cannot do it. Pure. */
export function toFirstRun(run: PodRun): FirstPodRun | undefined {
  const { mounts, node, kind, onSameName, maxMs, graceMs, idleMs, limits, network, provider, fpga, ...rest } =
    run;
  const { defaultWorkdir, scheduledAt, space: own, imageSpace, hostname, address, ...same } = rest;
  const [mount, ...others] = mounts;
  if (mount?.at !== DATA || others.length > 0 || mount.subPath || mount.readOnly) return undefined;
  if (kind === undefined || maxMs === undefined || maxMs % MINUTE_MS !== 0) return undefined;
  if (onSameName !== "replace" || network !== "user" || defaultWorkdir !== DATA) return undefined;
  if (
    [node, graceMs, idleMs, limits, provider, fpga, own, imageSpace, hostname, address].some(
      (more) => more !== undefined,
    )
  )
    return undefined;
  return {
    ...same,
    volume: mount.volume,
    node: kind,
    maxDuration: maxMs / MINUTE_MS,
    ...(scheduledAt !== undefined && { scheduledTime: scheduledAt }),
  };
}

/** The rule that the mounts of a run break together; undefined when they break none. */
function mountsRule(mounts: readonly PodMount[]): string | undefined {
  const nested = mounts.some(({ at }, n) => mounts.some((other, m) => n !== m && isWithin(at, other.at)));
  // The engine would make the inner mount point in the outer volume, which other pods may be changing meanwhile.
  return nested ? "mounts must not lie in one another" : undefined;
}

/** Is `path` the directory, or beneath it? Both are normalised. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
