import type { RunnerBook } from "./runner-book.ts";
import type { RunnerRecord } from "./runner-record.ts";

export type InactivityDeps = { book: RunnerBook; ended(): void; now: () => number };

const MAX_TIMER_MS = 24 * 3600_000;

/**
 * Ends runners in which no session has begun for as long as was asked for: never earlier, and as soon as the timer lets
 * it. The times are in the records, so a restart of the agent does not begin them anew.
 */
export class Inactivity {
  readonly #deps: InactivityDeps;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: InactivityDeps) {
    this.#deps = deps;
  }

  /** Ends what is over, and sets the timer to the next one. Call after any change of a record. */
  look(): void {
    const { book, ended, now } = this.#deps;
    clearTimeout(this.#timer);
    const ending = book.all().filter((record) => overAt(record) <= now());
    for (const record of ending) book.end(record, "inactive");
    const next = Math.min(Number.POSITIVE_INFINITY, ...book.all().map(overAt));
    if (next < Number.POSITIVE_INFINITY) {
      // rounded up: a timer may fire within the last millisecond
      this.#timer = setTimeout(() => this.look(), Math.min(Math.ceil(next - now()) + 1, MAX_TIMER_MS));
    }
    if (ending.length > 0) ended();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

function overAt({ state, activeAt, inactivityMs }: RunnerRecord): number {
  const counts = state === "used" && activeAt !== undefined && inactivityMs !== undefined;
  return counts ? activeAt + inactivityMs : Number.POSITIVE_INFINITY;
}
