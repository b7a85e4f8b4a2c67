import { setImmediate as nextTurn } from "node:timers/promises";
import type { DoorbellListener } from "#protocol/doorbell.ts";

/**
 * The one listener at the doorbell. A wait there is never broken off when something else wakes the claimer: it goes on,
 * and its ring is kept for the next call.
 */
export class Rings {
  readonly #doorbell: DoorbellListener;
  readonly #onRing: () => void;
  #listening = false;
  #due = false;
  #resolve: (() => void) | undefined;

  /** @param onRing called at every ring */
  constructor(doorbell: DoorbellListener, onRing: () => void) {
    this.#doorbell = doorbell;
    this.#onRing = onRing;
  }

  /** Ends the present wait, or the next one. */
  wake(): void {
    this.#due = true;
    this.#resolve?.();
  }

  /** Resolves at the next ring, when it is woken, when nothing rang for `ms`, or when `signal` aborts. */
  async next(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#due && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      signal.addEventListener("abort", this.#resolve);
      void this.#listen(ms, signal);
      await promise;
      signal.removeEventListener("abort", resolve as () => void);
      this.#resolve = undefined;
    }
    this.#due = false;
  }

  async #listen(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#listening) return;
    this.#listening = true;
    const rung = await this.#doorbell.wait(ms, signal);
    // One that rings without end must not keep everything else from its turn.
    await nextTurn();
    this.#listening = false;
    if (rung) this.#onRing();
    this.wake();
  }
}
