/** Runs tasks of one key one after the other, tasks of different keys side by side. */
export class Serial {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `task` when all earlier ones under `key` have ended, however they ended. */
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
