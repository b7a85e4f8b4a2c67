import type { Logger } from "pino";
import type { PodReport } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";

const MOST_AT_ONCE = 200;

/**
 * Tells the ground how the user's pods stand, newest state of each run only. What could not be told waits
 * (one entry a run, so it is bounded by the runs that are kept) and is told when there is contact again.
 */
export class PodReporter {
  readonly #send: (pods: PodReport[]) => Promise<void>;
  readonly #log: Logger;
  readonly #waiting = new Map<string, PodReport>();
  #sending: Promise<void> | undefined;
  #closed = new AbortController();

  constructor(send: (pods: PodReport[]) => Promise<void>, log: Logger) {
    this.#send = send;
    this.#log = log;
  }

  /** The run has changed. */
  changed(report: PodReport): void {
    this.#waiting.set(report.run, report);
    this.#begin();
  }

  #begin(): void {
    this.#sending ??= this.#drain()
      .catch((error: unknown) => this.#log.error({ err: error }, "pod states could not be told"))
      .finally(() => {
        this.#sending = undefined;
        // what came between the last look and now
        if (this.#waiting.size > 0 && !this.#closed.signal.aborted) this.#begin();
      });
  }

  close(): void {
    this.#closed.abort();
  }

  async #drain(): Promise<void> {
    const backoff = new Backoff();
    // In the next turn, so that what changed together is told together.
    await Promise.resolve();
    while (this.#waiting.size > 0 && !this.#closed.signal.aborted) {
      const batch = [...this.#waiting.values()].slice(0, MOST_AT_ONCE);
      try {
        await this.#send(batch);
        backoff.reset();
      } catch (error) {
        if (backoff.tries === 0) this.#log.warn({ err: error }, "pod states wait for contact");
        await backoff.wait(this.#closed.signal);
        continue;
      }
      for (const report of batch) {
        if (this.#waiting.get(report.run) === report) this.#waiting.delete(report.run);
      }
    }
  }
}
