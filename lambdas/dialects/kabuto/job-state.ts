import { EARLIER_JOBS, type JobPhase } from "#protocol/job-run.ts";
import type { ResultOf, StagedContent } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import type { Command } from "../../ledger/command.ts";
import type { DialectCore } from "../core.ts";
import type { ImageRecord, JobRecord, PipelineRecord, RunEnd, RunRecord } from "./records.ts";

/** The texts of `state`; no other appears. */
export type JobState = "ready" | "in_queue" | "running" | "done" | "failed";

/** A job with what is known of its newest run. */
export type KnownJob = {
  job: JobRecord;
  /** absent where it was deleted, or there was none */
  image?: ImageRecord | undefined;
  /** revision of its record */
  imageRev?: number | undefined;
  run?: RunRecord | undefined;
  /** of the run, while it has not ended */
  command?: Command | undefined;
  /** it was submitted, and its command is about to be queued */
  pending: boolean;
};

/** Has the run not ended? */
export function isLive(run: RunRecord): boolean {
  return run.end === undefined;
}

export function isPending(pipeline: PipelineRecord | undefined, job: JobRecord, run?: RunRecord): boolean {
  const pending = pipeline?.pending?.runs.find((one) => one.job === job.id);
  return pending !== undefined && (run?.run ?? 0) < pending.run;
}

export function stateOf({ run, command, pending }: KnownJob): JobState {
  if (pending) return "in_queue";
  if (!run) return "ready";
  if (run.end) return run.end.state;
  return command?.state === "running" && hasContainer(command) ? "running" : "in_queue";
}

export function isBusy(known: KnownJob): boolean {
  return ["in_queue", "running"].includes(stateOf(known));
}

/** Why it is in its state; null where there is nothing to say. */
export function reasonOf(known: KnownJob, inContact: boolean): string | null {
  const { run, command, pending } = known;
  if (pending) return inContact ? "Waiting" : "NoContact";
  if (!run) return null;
  if (run.end) return run.end.reason;
  const phase = command?.progress?.phase as JobPhase | undefined;
  if (command?.state !== "running") return inContact ? "Waiting" : "NoContact";
  if (phase === "packing" || phase === "sending") return "Sending";
  if (phase === "running") return null;
  if (command.waitsFor?.resource === EARLIER_JOBS) return "Pipeline";
  return phase === "fetching" ? "Fetching" : "Waiting";
}

/** Reads the command of a run that has not ended; undefined when it ended meanwhile and is no longer known. */
export async function liveCommand(
  { commands }: Pick<DialectCore, "commands">,
  user: string,
  run: RunRecord | undefined,
): Promise<Command | undefined> {
  return run && isLive(run) ? commands.command(user, run.command) : undefined;
}

/** How a run ended, by its command that has ended. */
export function runEndOf(run: RunRecord, command: Command): RunEnd {
  const { content } = (command.result ?? {}) as { content?: StagedContent };
  const end = endOf(command, content?.size ?? null);
  if (run.skipped && end.reason === "Cancelled") end.reason = "Skipped";
  return end;
}

/** How a run ended whose command is at its end. */
export function endOf(command: Command, resultBytes: number | null): RunEnd {
  const failed = (reason: string, message: string | null): RunEnd => ({
    state: "failed",
    response: -1,
    reason,
    message,
    startedAt: null,
    finishedAt: command.endedAt ?? null,
    used: { cpuMs: 0, memoryBytes: 0, ioBytes: 0 },
    resultBytes: null,
  });
  if (!isTerminal(command.state)) throw new Error(`command ${command.id} has not ended`);
  if (command.state === "cancelled") return failed("Cancelled", null);
  if (command.state === "expired") return failed("Interrupted", null);
  if (command.state === "failed") {
    const { code, message } = command.failure ?? { code: "INTERRUPTED", message: "" };
    return failed(code === "QUOTA_EXCEEDED" || code === "STORAGE_FULL" ? "Evicted" : "Interrupted", message);
  }
  const end = command.result as ResultOf<"job.run">;
  return {
    state: end.state,
    response: end.exitCode ?? -1,
    reason: end.reason,
    message: end.message ?? null,
    startedAt: end.startedAt,
    finishedAt: end.finishedAt,
    used: end.used,
    resultBytes: end.state === "done" ? resultBytes : null,
  };
}

function hasContainer({ progress }: Command): boolean {
  const phase = progress?.phase as JobPhase | undefined;
  return phase === "running" || phase === "packing" || phase === "sending";
}
