import { KILLED, NEVER_RAN, type Terminated, wholeSeconds } from "../container-state.ts";
import type { LogPusher } from "../logs/log-pusher.ts";
import { clamp } from "./clamp.ts";
import type { Preparations } from "./preparations.ts";
import type { RetryTimes } from "./retry-times.ts";
import type { RunBook } from "./run-book.ts";
import { EVICTED, type RunRecord, type StopReason } from "./run-record.ts";

export type EndingDeps = {
  book: RunBook;
  logs: LogPusher;
  retries: RetryTimes;
  preparations: Preparations;
  now: () => number;
  /** A run has ended: what it held is free. */
  released(record: RunRecord): void;
};

/** Notes how runs end, and that they are to end. */
export class RunEndings {
  readonly #deps: EndingDeps;

  constructor(deps: EndingDeps) {
    this.#deps = deps;
  }

  /** Notes durably that the run is to end; whoever plans next stops it. */
  request(
    record: RunRecord,
    reason: StopReason,
    { evictedFor, graceMs }: { evictedFor?: RunRecord["evictedFor"]; graceMs?: number } = {},
  ): void {
    // A kill does not wait for the time that another stop gives.
    if (record.phase === "ended" || (record.stopReason && reason !== "Killed")) return;
    const { book, retries, preparations, now } = this.#deps;
    record.stopReason = reason;
    if (evictedFor) record.evictedFor = evictedFor;
    if (graceMs !== undefined) record.stopGraceMs = graceMs;
    record.stopAt = now();
    retries.soon(record.run);
    book.save(record);
    preparations.interrupt(record.run);
  }

  /** Ends a run that the engine never heard of. */
  unstarted(record: RunRecord, reason: string, message: string): void {
    record.removed = true;
    this.neverRan(record, reason, message);
    this.#deps.preparations.interrupt(record.run);
  }

  /** Ends a run that did not start, and never will. */
  neverRan(record: RunRecord, reason: string, message: string): void {
    this.#end(record, { exitCode: NEVER_RAN, reason, startedAt: null, finishedAt: null, message }, false);
  }

  /** Ends a run as the engine told it. */
  finish(record: RunRecord, told: Terminated): void {
    const started = record.startedAt === undefined ? told.startedAt : wholeSeconds(record.startedAt);
    const end: Terminated = {
      ...told,
      startedAt: started,
      // Not before its start, nor in time to come, whatever its node's clock says.
      finishedAt: told.finishedAt && wholeSeconds(this.#within(Date.parse(told.finishedAt), record)),
    };
    if (told.reason !== "NodeLost") {
      // The engine holds the deadline too, should we be gone by then.
      if (record.stopReason === "DeadlineExceeded" || told.reason === "DeadlineExceeded") {
        end.reason = "DeadlineExceeded";
        end.message = `Stopped after its max_duration of ${durationOf(record.input.maxMs ?? 0)}`;
      } else if (record.stopReason === "Evicted") {
        end.reason = "Evicted";
        end.message = EVICTED[record.evictedFor ?? "quota"];
      } else if (record.stopping && (record.stopReason === "Killed" || record.stopReason === "Cancelled")) {
        end.reason = record.stopReason;
        // whatever the process made of it, where it could
        if (end.reason === "Killed") end.exitCode = KILLED;
      }
    }
    this.#end(record, end, told.startedAt !== null);
  }

  /** Ends a run that the engine no longer knows. */
  lost(record: RunRecord): void {
    const startedAt = record.startedAt === undefined ? null : wholeSeconds(record.startedAt);
    const finishedAt = wholeSeconds(this.#deps.now());
    const message = "The node lost the pod";
    const end = { exitCode: 255, reason: "NodeLost", startedAt, finishedAt, message };
    this.#end(record, end, record.startedAt !== undefined);
  }

  /** The time nearest to it that lies between the run's start and now. */
  #within(time: number, { startedAt = time }: RunRecord): number {
    return clamp(time, startedAt, this.#deps.now());
  }

  /** @param log is there output that must be pushed before users see the end? */
  #end(record: RunRecord, end: Terminated, log: boolean): void {
    const { book, logs, retries } = this.#deps;
    record.phase = "ended";
    record.end = end;
    record.flushed = !log;
    retries.forget(record.run);
    book.suspects.delete(record.run);
    this.#deps.released(record);
    // until its log is pushed, which is noted, the engine has it and tells its end again
    if (log) book.saveSoon(record);
    else book.save(record);
    if (log) logs.follow(record);
  }
}

/** In whole minutes, as most are given, else in seconds. */
function durationOf(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}
