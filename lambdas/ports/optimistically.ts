import { setTimeout as sleep } from "node:timers/promises";
import { doublingMs } from "#protocol/backoff.ts";
import { ConditionFailed } from "./ledger-store.ts";

export type OptimisticOptions = {
  /** tries in all (default 60) */
  attempts?: number;
  /** longest pause after try `n`, counted from 1, in ms (default 2 ms more each time, up to 50) */
  pauseMs?: (n: number) => number;
};

/** For records that everybody on an edge changes: lost races are more, and are decided again for longer. */
export const EDGE_RACES: OptimisticOptions = { attempts: 101, pauseMs: (n) => doublingMs(1, 200, n - 1) };

/**
 * Repeats a read followed by a conditional write when another writer made the condition false.
 * @param attempt gets how many tries there were before it
 * @throws ConditionFailed after the last try; whatever else an attempt throws, at once
 */
export async function optimistically<R>(
  attempt: (tries: number) => Promise<R>,
  { attempts = 60, pauseMs = (n) => Math.min(50, 2 * n) }: OptimisticOptions = {},
): Promise<R> {
  for (let n = 1; ; n++) {
    try {
      return await attempt(n - 1);
    } catch (error) {
      if (!(error instanceof ConditionFailed) || n === attempts) throw error;
      await sleep(Math.random() * pauseMs(n));
    }
  }
}
