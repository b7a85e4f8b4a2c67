/** Wakes calls of this process that wait for an edge's pools to change. A hint: who waits also looks by itself. */
export class PoolNews {
  readonly #waiting = new Map<string, Set<() => void>>();

  changed(edge: string): void {
    for (const wake of this.#waiting.get(edge) ?? []) wake();
  }

  /** Resolves at the next change, after `ms`, or when `signal` aborts. */
  async next(edge: string, ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted || ms <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(edge) ?? new Set();
    this.#waiting.set(edge, waiting.add(resolve));
    const timer = setTimeout(resolve, ms);
    const aborted = () => resolve();
    signal?.addEventListener("abort", aborted);
    await promise;
    // a call may wait many times with one signal
    signal?.removeEventListener("abort", aborted);
    clearTimeout(timer);
    waiting.delete(resolve);
    if (waiting.size === 0) this.#waiting.delete(edge);
  }
}
