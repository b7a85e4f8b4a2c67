/** Lets at most `most` at once do something; others wait in the order in which they came. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  /** @param signal ends the wait, and not the work. @throws its reason */
  async take<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  #turn(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const begin = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        reject(signal?.reason);
      };
      this.#waiting.push(begin);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }
}

/** Turns of each key: one after the other, those of different keys at once. */
export class KeyedTurns {
  readonly #turns = new Map<string, { turns: Turns; users: number }>();

  /** As {@link Turns.take}. */
  async take<T>(key: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const of = this.#turns.get(key) ?? { turns: new Turns(1), users: 0 };
    this.#turns.set(key, of);
    of.users += 1;
    try {
      return await of.turns.take(work, signal);
    } finally {
      of.users -= 1;
      if (of.users === 0) this.#turns.delete(key);
    }
  }
}
