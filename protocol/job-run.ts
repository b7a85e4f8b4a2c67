import * as z from "zod";
import { FIELD_BOUNDS, startRule } from "./field-bounds.ts";
import { LIMITS } from "./limits.ts";
import { label, NODE_KINDS, space } from "./names.ts";
import { isWithin, mountPoint, ms, words } from "./pod-run.ts";

/**
 * A job is a run of a pod with files that were staged for it, in a directory that it may read (its inbox), and a
 * directory of its own, empty at the start (its outbox), whose files come back as a zip. It has no network. The jobs of
 * one group of commands (wire.ts, `group`) run one after the other, in claim order.
 */
export const jobRunInput = z
  .object({
    /** its pod, its volumes and its image are in it */
    space,
    /** the log is that of a run, with the command's id, of the pod `inSpace(pod, space)` */
    pod: label,
    /** in the space; as in a run of a pod */
    image: z.string().max(FIELD_BOUNDS.image.bytes),
    /** where its directories are in the container */
    inbox: mountPoint,
    outbox: mountPoint,
    /** what is staged for its inbox: files, and bytes in all */
    files: z.object({
      count: z.number().int().min(0).max(LIMITS.uplinkFiles),
      bytes: z.number().int().min(0).max(LIMITS.uplinkBytes),
    }),
    /** replaces ENTRYPOINT and CMD */
    command: words("command").optional(),
    /** replaces CMD */
    args: words("args").optional(),
    envs: z.record(z.string(), z.string()).default({}),
    /** absent: a node of any kind */
    kind: z.enum(NODE_KINDS).optional(),
    /**
     * bounds its run: from the container's start or, while none can start, from when the run was due; fetching its files
     * and sending its result take as long as they take
     */
    maxMs: ms.optional(),
    /** names what was submitted together with it */
    submission: z.string().min(1).max(64),
    /** `stop`: of its submission, the later jobs of its group are skipped once one failed, or exited with another code than 0 */
    onFailure: z.enum(["continue", "stop"]),
  })
  .check(({ value, issues }) => {
    const { inbox, outbox } = value;
    const nested = isWithin(inbox, outbox) || isWithin(outbox, inbox);
    const rule = nested ? "inbox and outbox must not lie in one another" : startRule(value);
    if (rule !== undefined) issues.push({ code: "custom", input: value, message: rule });
  });
export type JobRun = z.infer<typeof jobRunInput>;

/**
 * What a job is doing, as its progress says (`progress.phase`): before `running` it has no container, and from `packing`
 * on none that runs.
 */
export const JOB_PHASES = ["fetching", "waiting", "starting", "running", "packing", "sending"] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

/** Name of the resource that a job waits for behind others of its group (wire.ts, `waitsFor`). */
export const EARLIER_JOBS = "the earlier jobs of its group";

/** How a job ended. */
export const JOB_REASONS = [
  "Completed",
  "Error",
  "OOMKilled",
  "Killed",
  "Cancelled",
  "Skipped",
  "StartError",
  "ImageMissing",
  "DeadlineExceeded",
  "Evicted",
  "NodeLost",
  "ResultTooLarge",
] as const;
export type JobReason = (typeof JOB_REASONS)[number];

/** How an ended job is told, beside the object that holds its zip. Times in ms since 1970. */
export const jobEnd = z.object({
  /** `done`: it ran to an end of its own, or its user's, and has a result */
  state: z.enum(["done", "failed"]),
  reason: z.enum(JOB_REASONS),
  /** for people */
  message: z.string().max(1024).optional(),
  /** null: it has none */
  exitCode: z.number().int().nullable(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** of its container: CPU time, peak of memory, bytes read and written on block devices; 0 where nobody counts them */
  used: z.object({ cpuMs: z.number(), memoryBytes: z.number(), ioBytes: z.number() }),
  /** bytes of log that were pushed for it */
  logBytes: z.number().int().nonnegative(),
});
export type JobEnd = z.infer<typeof jobEnd>;
