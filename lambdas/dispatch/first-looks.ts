import type { OperationName } from "#protocol/operations.ts";

/** No look comes sooner (ms). */
const LEAST_MS = 10;
/** A first look that found the command ended is brought forward, until one came too soon. */
const GUESSING = 0.7;
/** From then on so much: about one look in ten comes too soon, and those that do not come little too late. */
const HIT = 0.97;
/** One that came too soon is put off by no more than this: a slow command says little of the next. */
const MISS = 1.25;

type Known = { ms: number; missed: boolean };

/**
 * When to look first whether a command has ended, where no ring tells: learned for each operation from the
 * looks at earlier commands, by this process's clock alone. Each look costs a request, and a late one time.
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

  /** A wait has found its command ended after `ms`, by its first look or a later one. */
  found(operation: OperationName, ms: number, look: "first" | "later"): void {
    const { ms: before, missed } = this.#known.get(operation) ?? { ms: this.#start, missed: false };
    const hit = look === "first";
    const next = hit ? before * (missed ? HIT : GUESSING) : Math.min(ms, before * MISS);
    this.#known.set(operation, {
      ms: Math.min(this.#most, Math.max(LEAST_MS, next)),
      missed: missed || !hit,
    });
  }
}
