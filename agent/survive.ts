import type { Logger } from "pino";
import { Backoff } from "./backoff.ts";
import { isDiskFull } from "./journal/state-database.ts";

/** Where Node tells what nobody caught: the process. */
export type Uncaught = {
  on(event: "uncaughtException" | "unhandledRejection", listener: (error: unknown) => void): unknown;
  off(event: "uncaughtException" | "unhandledRejection", listener: (error: unknown) => void): unknown;
};

export type SurviveOptions = {
  log: Pick<Logger, "error" | "info">;
  signal: AbortSignal;
  process?: Uncaught;
  /** ends the process at once: nothing after it runs; default process.exit(1) */
  exit?(): void;
  /** ms that a broken agent may take to end before the process does; default 90 000 */
  endMs?: number;
  backoff?: Backoff;
};

const END_MS = 90_000;

/**
 * Runs the agent over what its parts throw where nobody catches it, until `signal` aborts or it ends by itself.
 *
 * - A rejected promise that nobody waited for cut nothing short: it is logged, and everything goes on.
 * - An exception out of an event's listener may have left its part half way: the agent is ended in order, as by a
 *   shutdown, and started again (a new epoch; pods go on, commands come again), with growing pauses.
 * - An error of the state's database, wherever it shows, ends the process: what is on disk is the truth, and
 *   what is in memory may not be.
 * @throws what `run` throws: the agent cannot go on
 */
export async function survive(
  run: (signal: AbortSignal) => Promise<void>,
  options: SurviveOptions,
): Promise<void> {
  const { log, signal, process: uncaught = process, endMs = END_MS, backoff = new Backoff() } = options;
  const exit = options.exit ?? (() => process.exit(1));
  let broken = new AbortController();
  let late: NodeJS.Timeout | undefined;
  let count = 0;
  const thrown = (error: unknown, told: string): boolean => {
    count += 1;
    log.error({ err: error, count }, told);
    if (!isOfDatabase(error)) return false;
    exit();
    return true;
  };
  const onRejection = (error: unknown) => thrown(error, "nobody waited for what failed: it goes on");
  const onException = (error: unknown) => {
    if (thrown(error, "a part of the agent failed: the agent starts anew") || broken.signal.aborted) return;
    broken.abort(error);
    late = setTimeout(exit, endMs);
  };
  uncaught.on("unhandledRejection", onRejection);
  uncaught.on("uncaughtException", onException);
  try {
    while (!signal.aborted) {
      broken = new AbortController();
      await run(AbortSignal.any([signal, broken.signal]));
      clearTimeout(late);
      if (!broken.signal.aborted) return;
      await backoff.wait(signal);
    }
  } finally {
    clearTimeout(late);
    uncaught.off("unhandledRejection", onRejection);
    uncaught.off("uncaughtException", onException);
  }
}

/** SQLite's own; a full disk is none, since nothing of that statement was written. */
function isOfDatabase(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_SQLITE_ERROR" && !isDiskFull(error);
}
