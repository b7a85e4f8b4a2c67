import type { JobEnd, JobReason } from "#protocol/job-run.ts";
import { KILLED } from "../pods/container-state.ts";
import type { RunRecord } from "../pods/runs/run-record.ts";

const MESSAGE_LENGTH = 1024;

const NOTHING = { cpuMs: 0, memoryBytes: 0, ioBytes: 0 };

const DONE: readonly string[] = ["Completed", "Error", "OOMKilled"] satisfies JobReason[];
const FAILED: readonly string[] = [
  "StartError",
  "DeadlineExceeded",
  "Evicted",
  "NodeLost",
] satisfies JobReason[];

/** How a job ended, as its run did. Pure. @param missing its image was not there */
export function endOfRun(record: Readonly<RunRecord>, missing: boolean): JobEnd {
  const { end, stopReason, used = NOTHING } = record;
  const times = { startedAt: msOf(end?.startedAt), finishedAt: msOf(end?.finishedAt) };
  const same = { ...times, used, logBytes: record.logBytes ?? 0 };
  const started = times.startedAt !== null;
  const code = end?.exitCode ?? null;
  const done = (reason: JobReason, exitCode = code): JobEnd => ({ state: "done", reason, exitCode, ...same });
  if (missing && !started) return failedEnd("ImageMissing", "The image is not on the edge", same);
  if (stopReason === "Killed" && (!started || end?.reason === "Killed")) return done("Killed", KILLED);
  const { reason = "NodeLost", message } = end ?? {};
  if (FAILED.includes(reason)) return failedEnd(reason as JobReason, message, same);
  if (!started) return failedEnd(reason === "Cancelled" ? "Cancelled" : "StartError", message, same);
  if (reason === "Cancelled") return done("Cancelled");
  return done(DONE.includes(reason) ? (reason as JobReason) : "Error");
}

/** The end of a job that has no result. @param of what is known of its container; default: it had none */
export function failedEnd(reason: JobReason, message?: string, of: Partial<JobEnd> = {}): JobEnd {
  const { exitCode = null, startedAt = null, finishedAt = null, used = NOTHING, logBytes = 0 } = of;
  const told = message ? { message: message.slice(0, MESSAGE_LENGTH) } : {};
  return { state: "failed", reason, ...told, exitCode, startedAt, finishedAt, used, logBytes };
}

/** Does it count as a failure for those after it? */
export function isFailure({ state, exitCode }: Pick<JobEnd, "state" | "exitCode">): boolean {
  return state === "failed" || exitCode !== 0;
}

function msOf(time: string | null | undefined): number | null {
  return time ? Date.parse(time) : null;
}
