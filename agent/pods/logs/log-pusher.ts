import type { DatabaseSync } from "node:sqlite";
import { doublingMs } from "#protocol/backoff.ts";
import type { Runtimes } from "../runtimes.ts";
import { LogCursors } from "./log-cursor.ts";
import type { LogReader } from "./log-pace.ts";
import { RunLog } from "./run-log.ts";

export type LogChunk = { user: string; pod: string; run: string; seq: number; data: Buffer };

/**
 * Sends a chunk to the ground; throws when it did not land. The same `seq` sent twice lands once.
 * @returns who reads the log as it comes
 */
export type PushLog = (chunk: LogChunk) => Promise<LogReader>;

export type LogPusherOptions = {
  db: DatabaseSync;
  runtimes: Pick<Runtimes, "of">;
  push: PushLog;
  /** ms between pushes of a run's log; default 500, less while it is followed */
  flushMs?: number;
  /** first and longest pause before a chunk that did not land is sent again; default 500 and 30 000 */
  retryMs?: { first: number; most: number };
  /** a log could not be read; it is tried again */
  onError?(error: unknown, run: string): void;
};

type Run = { run: string; user: string; pod: string; provider?: string };

/** Pushes the logs of all runs outward, in order, each line once. */
export class LogPusher {
  readonly #options: LogPusherOptions;
  readonly #cursors: LogCursors;
  readonly #logs = new Map<string, RunLog>();
  /** ends the present pause of a run's delivery */
  readonly #pauses = new Map<string, () => void>();
  #closed = false;

  constructor(options: LogPusherOptions) {
    this.#options = options;
    this.#cursors = new LogCursors(options.db);
  }

  /** Begins to push a run's log, or goes on after what was pushed before. A followed one is left alone. */
  follow(run: Run): void {
    if (this.#closed || this.#logs.has(run.run)) return;
    const { runtimes, flushMs = 500, onError } = this.#options;
    const runtime = runtimes.of(run);
    this.#logs.set(
      run.run,
      new RunLog({
        read: (options) => runtime.logs(run.run, options),
        deliver: (seq, data, signal) => this.#deliver(run, seq, data, signal),
        cursor: this.#cursors.get(run.run),
        note: (cursor) => this.#cursors.set(run.run, cursor),
        flushMs,
        reopenMs: Math.max(flushMs, 200),
        onError: (error) => onError?.(error, run.run),
      }),
    );
  }

  /** Resolves when all that an ended run wrote has been pushed, or was given up. Never while the pusher closes. */
  async flush(run: Run): Promise<void> {
    this.follow(run);
    await this.#logs.get(run.run)?.flush();
    // Cut short by close(): the next agent goes on.
    if (this.#closed) await new Promise<never>(() => undefined);
  }

  /** Bytes of a run's log that were pushed. */
  pushedBytes(run: string): number {
    return this.#cursors.get(run)?.bytes ?? 0;
  }

  /** Gives up what of a run's log was not pushed. */
  abandon(run: string): void {
    this.#logs.get(run)?.abandon();
    this.#pauses.get(run)?.();
  }

  /** Sends what waits for another try at once; of all runs when none is named. */
  kick(run?: string): void {
    for (const [name, end] of [...this.#pauses]) if (run === undefined || run === name) end();
  }

  /** The run is gone from the engine: drops what was kept for it. */
  forget(run: string): void {
    this.abandon(run);
    this.#logs.delete(run);
    this.#cursors.delete(run);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const run of this.#logs.keys()) this.abandon(run);
  }

  async #deliver(
    { run, user, pod }: Run,
    seq: number,
    data: Buffer,
    signal: AbortSignal,
  ): Promise<LogReader> {
    const { first, most } = this.#options.retryMs ?? { first: 500, most: 30_000 };
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        return await this.#options.push({ user, pod, run, seq, data });
      } catch {
        if (signal.aborted) break;
        await this.#pause(run, doublingMs(first, most, tries));
      }
    }
    return "nobody";
  }

  #pause(run: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        if (this.#pauses.get(run) === end) this.#pauses.delete(run);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#pauses.set(run, end);
    });
  }
}
