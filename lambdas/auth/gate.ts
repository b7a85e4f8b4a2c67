import { PerigeeError } from "#protocol/errors.ts";

/** Runs at most `width` calls at the same time; at most `queue` more wait, first come, first served. */
export class Gate {
  readonly #width: number;
  readonly #queue: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(width: number, queue: number) {
    this.#width = width;
    this.#queue = queue;
  }

  /** Is nothing running or waiting? */
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
      // A call that ends hands its place to the next one directly, so that no new call can take it.
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
