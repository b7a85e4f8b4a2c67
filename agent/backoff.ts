import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "#protocol/backoff.ts";

/** Waits between tries: doubling from `first` to `most` ms, each with jitter. */
export class Backoff {
  readonly #first: number;
  readonly #most: number;
  #tries = 0;

  constructor(first = 200, most = 10_000) {
    this.#first = first;
    this.#most = most;
  }

  /** waits so far, since the last reset */
  get tries(): number {
    return this.#tries;
  }

  /** Resolves after the next wait, or at once when `signal` aborts. */
  async wait(signal?: AbortSignal): Promise<void> {
    const ms = backoffMs(this.#first, this.#most, this.#tries++);
    await sleep(ms, undefined, signal && { signal }).catch(() => undefined);
  }

  reset(): void {
    this.#tries = 0;
  }
}
