import type { Logger } from "pino";
import { LIMITS } from "#protocol/limits.ts";

/**
 * Beats at once and then at every interval, until it is closed. A beat that fails is told in the log once;
 * the next one comes in its time.
 */
export class Heart {
  readonly #timer: NodeJS.Timeout;
  readonly #beat: () => Promise<void>;
  readonly #log: Logger;
  #beating: Promise<void> | undefined;
  #failed = false;

  constructor(beat: () => Promise<void>, log: Logger, intervalMs: number = LIMITS.heartbeatMs) {
    this.#beat = beat;
    this.#log = log;
    this.#timer = setInterval(() => void this.now(), intervalMs);
  }

  /** One beat now; never throws. Beats do not overlap. */
  now(): Promise<void> {
    this.#beating ??= this.#once().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #once(): Promise<void> {
    try {
      await this.#beat();
      if (this.#failed) this.#log.info("contact again");
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) this.#log.warn({ err: error }, "heartbeat failed");
      this.#failed = true;
    }
  }
}
