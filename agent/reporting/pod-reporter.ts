import type { Logger } from "pino";
import type { PodReport } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import { refusesContent } from "../ground/refuses-content.ts";

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
    let most = MOST_AT_ONCE;
    // In the next turn, so that what changed together is told together.
    await Promise.resolve();
    while (this.#waiting.size > 0 && !this.#closed.signal.aborted) {
      const batch = [...this.#waiting.values()].slice(0, most);
      try {
        await this.#send(batch);
        backoff.reset();
        most = MOST_AT_ONCE;
      } catch (error) {
        if (refusesContent(error)) {
          // Found by halves, so that one that is refused keeps no other from being told.
          most = Math.ceil(batch.length / 2);
          if (batch.length > 1) continue;
          this.#log.error({ err: error, run: batch[0]!.run }, "the ground refuses the state of a pod");
          this.#told(batch);
          most = MOST_AT_ONCE;
          continue;
        }
        if (backoff.tries === 0) this.#log.warn({ err: error }, "pod states wait for contact");
        await backoff.wait(this.#closed.signal);
        continue;
      }
      this.#told(batch);
    }
  }

  #told(batch: readonly PodReport[]): void {
    for (const report of batch) {
      if (this.#waiting.get(report.run) === report) this.#waiting.delete(report.run);
    }
  }
}
