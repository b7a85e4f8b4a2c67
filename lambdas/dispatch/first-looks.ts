import type { OperationName } from "#protocol/operations.ts";

/** No look comes sooner (ms). */
const LEAST_MS = 10;
/** From a command's end by the ledger until a look could find it (ms), until the looks tell. */
const LAG_MS = 6;
/** How much the newest command counts. */
const NEW = 1 / 8;
/** A slow command counts as one that took so many times as long as the others, and so many ms. */
const SLOWEST = { times: 1.5, ms: 10 };
/** A look comes so many mean deviations, and so many ms, after the mean: about one in six comes too soon. */
const MARGIN = { deviations: 0.8, ms: 1 };
/** Parts of a look's time: by so much the lag is lowered while no look comes too soon, and raised when one does. */
const LAG = { lower: 0.002, raise: 0.05 };

type Known = {
  /** when a look could have found the end, in ms from the wait's begin */
  mean: number;
  /** mean deviation from that */
  deviation: number;
  /** from the ledger's word for a command's end to when a look could have found it: how far the clocks differ, too */
  lag: number;
};

/** How a wait found its command ended, in ms from the wait's begin. */
export type Found = {
  /** when a look found it */
  at: number;
  /** the look before that, which did not; absent: there was none */
  tooSoon?: number | undefined;
  /** when it ended by the ledger, which another's clock may have written */
  ended: number;
};

/**
 * When to look first whether a command has ended, where no ring tells: learned for each operation from commands
 * before. Each look costs a request, and a late one time. What a look could see lies between the last two looks
 * at a command; within that the ledger's times tell, whatever clocks they are by.
 */
export class FirstLooks {
  readonly #start: number;
  readonly #most: number;
  // bounded: there are only so many operations
  readonly #known = new Map<OperationName, Known>();

  /** @param ms.start where nothing is known yet, @param ms.most the longest */
  constructor(ms: { start: number; most: number }) {
    this.#start = ms.start;
    this.#most = ms.most;
  }

  /** ms from the begin of the wait. */
  of(operation: OperationName): number {
    const known = this.#known.get(operation);
    if (!known) return this.#start;
    const ms = known.mean + MARGIN.deviations * known.deviation + MARGIN.ms;
    return Math.min(this.#most, Math.max(LEAST_MS, ms));
  }

  /** A wait has found its command ended. */
  found(operation: OperationName, { at, tooSoon, ended }: Found): void {
    const known = this.#known.get(operation);
    const lag = known?.lag ?? LAG_MS;
    // one that ended before anybody waited for it tells nothing but that the clocks differ
    const told = ended + lag > 0 ? ended + lag : at;
    const seen = Math.min(at, Math.max(tooSoon ?? 0, told));
    const next = { seen, lag: seen - ended };
    if (tooSoon === undefined) next.lag -= LAG.lower * at;
    else if (ended + lag < tooSoon) next.lag += LAG.raise * tooSoon;
    this.#known.set(operation, known ? averaged(known, next) : first(next));
  }
}

function first({ seen, lag }: { seen: number; lag: number }): Known {
  return { mean: seen, deviation: seen * NEW, lag };
}

function averaged(known: Known, { seen, lag }: { seen: number; lag: number }): Known {
  const difference = Math.min(seen, known.mean * SLOWEST.times + SLOWEST.ms) - known.mean;
  return {
    mean: known.mean + difference * NEW,
    deviation: known.deviation + (Math.abs(difference) - known.deviation) * NEW,
    lag,
  };
}
