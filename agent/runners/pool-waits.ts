const FIRST_MS = 1_000;
const MOST_MS = 60_000;

type Wait = { until: number; failures: number; reason: string };

/** Pools that could not be filled: why, and until when they are left alone. At most one try a minute in the long run. */
export class PoolWaits {
  readonly #waits = new Map<string, Wait>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  failed(pool: string, reason: string): void {
    const failures = (this.#waits.get(pool)?.failures ?? 0) + 1;
    const ms = Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 1));
    this.#waits.set(pool, { until: this.#now() + ms, failures, reason });
  }

  /** A runner of it could be started, or it is another one now. */
  forget(pool: string): void {
    this.#waits.delete(pool);
  }

  /** Something was built or loaded: all are tried again at once, and keep their reasons until that has succeeded. */
  retry(): void {
    for (const wait of this.#waits.values()) wait.until = 0;
  }

  blocked(): Set<string> {
    return new Set([...this.#waits].flatMap(([pool, { until }]) => (until > this.#now() ? [pool] : [])));
  }

  reasons(): Map<string, string> {
    return new Map([...this.#waits].map(([pool, { reason }]) => [pool, reason]));
  }

  /** When the next one is tried again, by the clock. */
  next(): number {
    const waiting = [...this.#waits.values()].map(({ until }) => until).filter((at) => at > this.#now());
    return Math.min(Number.POSITIVE_INFINITY, ...waiting);
  }
}
