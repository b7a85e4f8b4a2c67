/** When what failed for a run may be tried again: pauses double up to a bound. */
export class RetryTimes {
  /** not to be tried before (ms since 1970), by run */
  readonly at = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #pause: { first: number; most: number };
  readonly #now: () => number;

  /** @param pause the first and the longest one, ms */
  constructor(pause: { first: number; most: number }, now: () => number) {
    this.#pause = pause;
    this.#now = now;
  }

  /** It failed once more. */
  backOff(run: string): void {
    const failures = this.#failures.get(run) ?? 0;
    this.#failures.set(run, failures + 1);
    const { first, most } = this.#pause;
    this.at.set(run, this.#now() + Math.min(first * 2 ** Math.min(failures, 20), most));
  }

  /** It may be tried at once; should it fail again, the pause still grows. */
  soon(run: string): void {
    this.at.delete(run);
  }

  /** It worked: the next failure begins with the first pause. */
  succeeded(run: string): void {
    this.#failures.delete(run);
  }

  forget(run: string): void {
    this.soon(run);
    this.succeeded(run);
  }
}
