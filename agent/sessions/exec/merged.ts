/** What one of several sources gave: `value` is undefined at its end. */
export type Given<K, V> = { from: K; value: V | undefined; error?: unknown };

/**
 * Reads several sources at once, one piece ahead of its taker for each: so what nobody takes stays where it is.
 */
export class Merged<K, V> {
  readonly #waiting: { given: Given<K, V>; taken: () => void }[] = [];
  #wake: (() => void) | undefined;
  #open = 0;
  #closed = false;

  /** how many sources have not ended */
  get open(): number {
    return this.#open;
  }

  add(from: K, source: AsyncIterable<V>): void {
    this.#open++;
    void this.#pump(from, source);
  }

  /**
   * The next piece or end of any source, or of `from` alone; `late` when `ms` are over first, or it is closed. Never
   * called twice at a time.
   */
  async take({ ms, from }: { ms?: number; from?: K } = {}): Promise<Given<K, V> | "late"> {
    let over = false;
    // what has arrived while this process did something else is read before it is late
    const late = () =>
      setImmediate(() => {
        over = true;
        this.#wake?.();
      });
    const timer = ms === undefined ? undefined : setTimeout(late, ms);
    try {
      for (;;) {
        const at = this.#waiting.findIndex(({ given }) => from === undefined || given.from === from);
        const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
        if (next) {
          if (next.given.value === undefined) this.#open--;
          next.taken();
          return next.given;
        }
        if (over || this.#closed) return "late";
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
        this.#wake = undefined;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Nothing more is taken: the sources are let go of. */
  close(): void {
    this.#closed = true;
    for (const { taken } of this.#waiting.splice(0)) taken();
    this.#wake?.();
  }

  async #pump(from: K, source: AsyncIterable<V>): Promise<void> {
    let error: unknown;
    try {
      for await (const value of source) {
        await this.#put({ from, value });
        if (this.#closed) return;
      }
    } catch (thrown) {
      error = thrown;
    }
    await this.#put({ from, value: undefined, ...(error !== undefined && { error }) });
  }

  #put(given: Given<K, V>): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ given, taken: resolve });
    this.#wake?.();
    return promise;
  }
}
