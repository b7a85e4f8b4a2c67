/** Places for what is at work at once; who finds none waits, the first of them first. */
export class Places {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` in a place. @throws the signal's reason while it waits */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next) next();
      else this.#free++;
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(begin);
        signal.removeEventListener("abort", give);
      };
      const begin = () => {
        leave();
        resolve();
      };
      const give = () => {
        leave();
        reject(signal.reason);
      };
      this.#waiting.add(begin);
      signal.addEventListener("abort", give, { once: true });
    });
  }
}

/** Those of all that one agent makes disks for: each takes a processor, and the disk's bytes more than once. */
export const MAKER_PLACES = new Places(2);
