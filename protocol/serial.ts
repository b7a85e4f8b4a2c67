/** Runs tasks with the same key one after the other, tasks with different keys concurrently. */
export class Serial {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `task` when all earlier tasks with this `key` have ended, also by an error. */
  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const result = before ? before.then(task, task) : task();
    const tail = result.catch(() => undefined);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }
}
