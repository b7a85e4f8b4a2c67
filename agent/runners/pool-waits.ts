const FIRST_MS = 1_000;
const MOST_MS = 60_000;

/** Idle runners of a pool that died longer apart than this have nothing to do with each other. */
const APART_MS = 10 * 60_000;

type Wait = { until: number; failures: number; reason: string };

/** Pools that could not be filled: why, and until when they are left alone. At most one try a minute in the long run. */
export class PoolWaits {
  readonly #waits = new Map<string, Wait>();
  /** idle runners that ended by themselves, one soon after the other */
  readonly #deaths = new Map<string, { count: number; at: number; until: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  failed(pool: string, reason: string): void {
    const failures = (this.#waits.get(pool)?.failures ?? 0) + 1;
    const ms = Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 1));
    this.#waits.set(pool, { until: this.#now() + ms, failures, reason });
  }

  /** A runner of it is being started, and waits for this. @returns whether that is news */
  waits(pool: string, reason: string): boolean {
    const { until = 0, failures = 0, reason: before } = this.#waits.get(pool) ?? {};
    this.#waits.set(pool, { until, failures, reason });
    return reason !== before;
  }

  /**
   * Idle runners of it ended by themselves. The first time others take their place at once, then later and later: an
   * image whose runners come up and go down must not be all that the engine does.
   */
  died(pool: string): void {
    const before = this.#deaths.get(pool);
    const now = this.#now();
    const count = before && now - before.at < APART_MS ? before.count + 1 : 1;
    const ms = count === 1 ? 0 : Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(count - 2, 10));
    this.#deaths.set(pool, { count, at: now, until: now + ms });
  }

  /** It is another one now. */
  renew(pool: string): void {
    this.#waits.delete(pool);
    this.#deaths.delete(pool);
  }

  /** Nothing is known any more of pools that are not among these. */
  keep(pools: ReadonlySet<string>): void {
    for (const pool of [...this.#waits.keys(), ...this.#deaths.keys()])
      if (!pools.has(pool)) this.renew(pool);
  }

  /** A runner of it could be started. */
  forget(pool: string): void {
    this.#waits.delete(pool);
  }

  /** Something was built or loaded: all are tried again at once, and keep their reasons until that has succeeded. */
  retry(): void {
    for (const wait of [...this.#waits.values(), ...this.#deaths.values()]) wait.until = 0;
  }

  blocked(): Set<string> {
    return new Set([...this.#waiting(this.#waits), ...this.#waiting(this.#deaths)].map(([pool]) => pool));
  }

  reasons(): Map<string, string> {
    return new Map([
      ...this.#waiting(this.#deaths).map(([pool]) => [pool, "its runners end by themselves"] as const),
      ...[...this.#waits].map(([pool, { reason }]) => [pool, reason] as const),
    ]);
  }

  /** When the next one is tried again, by the clock. */
  next(): number {
    const waiting = [...this.#waiting(this.#waits), ...this.#waiting(this.#deaths)];
    return Math.min(Number.POSITIVE_INFINITY, ...waiting.map(([, { until }]) => until));
  }

  #waiting<T extends { until: number }>(waits: ReadonlyMap<string, T>): [pool: string, wait: T][] {
    return [...waits].filter(([, { until }]) => until > this.#now());
  }
}
