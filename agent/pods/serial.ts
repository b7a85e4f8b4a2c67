/** Runs asynchronous work one after the other per key; keys do not wait for each other. */
export class Serial {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` when all earlier work under `key` has ended, however it ended. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const result = before ? before.then(work, work) : work();
    const tail = result.catch(() => undefined);
    this.#tails.set(key, tail);
    tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }
}
