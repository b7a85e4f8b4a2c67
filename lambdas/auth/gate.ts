import { PerigeeError } from "#protocol/errors.ts";

/** Lets at most `width` calls run at once and at most `queue` more wait, first come, first served. */
export class Gate {
  readonly #width: number;
  readonly #queue: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(width: number, queue: number) {
    this.#width = width;
    this.#queue = queue;
  }

  /** Nothing runs and nothing waits. */
  get idle(): boolean {
    return this.#running === 0;
  }

  /** @throws TOO_MANY_ATTEMPTS when the queue is full; else whatever `call` throws */
  async run<R>(call: () => Promise<R>): Promise<R> {
    if (this.#running < this.#width) this.#running++;
    else {
      if (this.#waiting.length >= this.#queue) {
        throw new PerigeeError("TOO_MANY_ATTEMPTS", "Too many log-ins at once", {
          data: { retryAfter: 5, retry_after: 5 },
        });
      }
      // Whoever leaves hands its place over, so that nobody slips in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await call();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
