import type { OperationName } from "#protocol/operations.ts";

/** No look comes sooner (ms). */
const LEAST_MS = 10;
/** From a command's end by the ledger until a look finds it: what the ledger takes to say so, and some. */
const SLACK_MS = 6;
/** Brings a first look forward that was late enough, where the ledger's times say nothing. */
const HIT = 0.97;
/** One that came too soon is put off by no more than this: a slow command says little of the next. */
const MISS = 1.25;
/** For a while none comes sooner than so much after the last that came too soon, whatever the ledger's times say. */
const FLOOR = { factor: 1.1, fades: 0.98 };

type Known = {
  ms: number;
  /** ms, from the last look that came too soon */
  floor: number;
};

/** How a wait found its command ended, in ms from the wait's begin. */
export type Found = {
  /** when a look found it */
  at: number;
  /** the look before that, which did not; absent: there was none */
  tooSoon?: number | undefined;
  /** when it ended by the ledger: by another's clock, so it is believed as far as the looks bear it out */
  ended: number;
};

/**
 * When to look first whether a command has ended, where no ring tells: learned for each operation from commands
 * before. Each look costs a request, and a late one time.
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
    return this.#known.get(operation)?.ms ?? this.#start;
  }

  /** A wait has found its command ended. */
  found(operation: OperationName, { at, tooSoon, ended }: Found): void {
    const before = this.#known.get(operation) ?? { ms: this.#start, floor: 0 };
    if (tooSoon !== undefined) {
      this.#learn(operation, { ms: Math.min(at, before.ms * MISS), floor: tooSoon * FLOOR.factor });
      return;
    }
    const told = ended > 0 && ended <= at ? ended + SLACK_MS : before.ms * HIT;
    const ms = Math.min(before.ms, Math.max(told, before.floor));
    this.#learn(operation, { ms, floor: before.floor * FLOOR.fades });
  }

  #learn(operation: OperationName, { ms, floor }: Known): void {
    const most = this.#most;
    this.#known.set(operation, { ms: Math.min(most, Math.max(LEAST_MS, ms)), floor });
  }
}
