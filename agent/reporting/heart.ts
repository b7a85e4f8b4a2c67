import type { Logger } from "pino";
import { LIMITS } from "#protocol/limits.ts";

/**
 * Sends a heartbeat at every interval at which one is `due`, until it is closed. Of failures in a row the first is logged.
 */
export class Heart {
  readonly #timer: NodeJS.Timeout;
  readonly #beat: () => Promise<void>;
  readonly #log: Logger;
  #beating: Promise<void> | undefined;
  #failed = false;
  #last = Number.NEGATIVE_INFINITY;

  /** @param due asked at every interval with the ms since the last beat began (default: it is) */
  constructor(
    beat: () => Promise<void>,
    log: Logger,
    intervalMs: number = LIMITS.heartbeatMs,
    due: (sinceMs: number) => boolean = () => true,
  ) {
    this.#beat = beat;
    this.#log = log;
    this.#timer = setInterval(() => {
      if (due(performance.now() - this.#last)) void this.now();
    }, intervalMs);
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
    this.#last = performance.now();
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
