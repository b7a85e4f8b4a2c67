const MAX_TIMER_MS = 2 ** 31 - 1;

/** Waits of runs for their image that somebody else can end: a stop does not wait for an image. */
export class Preparations {
  readonly #ends = new Map<string, () => void>();

  /**
   * Waits for `work`, `ms` at most. False when the wait ended first: what goes on then serves the next run.
   * @throws what `work` throws
   */
  async wait(run: string, ms: number, work: Promise<unknown>): Promise<boolean> {
    const over = new Promise<false>((resolve) => this.#ends.set(run, () => resolve(false)));
    const timer = setTimeout(() => this.interrupt(run), Math.min(ms, MAX_TIMER_MS));
    try {
      return await Promise.race([work.then(() => true), over]);
    } finally {
      clearTimeout(timer);
      this.#ends.delete(run);
    }
  }

  /** Ends the wait of a run, if there is one. */
  interrupt(run: string): void {
    this.#ends.get(run)?.();
  }

  close(): void {
    for (const end of this.#ends.values()) end();
  }
}
