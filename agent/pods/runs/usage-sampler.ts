import { setTimeout as sleep } from "node:timers/promises";
import type { Runtimes } from "../runtimes.ts";
import type { RunBook } from "./run-book.ts";
import type { RunRecord } from "./run-record.ts";

export type UsageSamplerDeps = { runtimes: Pick<Runtimes, "of">; book: RunBook; now: () => number };

/** Pauses (ms) between looks: short at first, for runs that are short themselves. */
const FIRST_MS = 25;
const MOST_MS = 1000;
/** How long after the last note (ms) what was measured is made durable: longer each time. */
const NOTE_MS = 5_000;

/**
 * Samples the resource use of kept runs while they run: the counters go with the container. They only grow, so the
 * last sample counts, and samples of an earlier agent process are kept.
 */
export class UsageSampler {
  readonly #deps: UsageSamplerDeps;
  readonly #sampled = new Set<string>();
  readonly #closing = new AbortController();

  constructor(deps: UsageSamplerDeps) {
    this.#deps = deps;
  }

  /** Measures the run until it has ended; once. */
  follow(record: RunRecord): void {
    if (!record.kept || this.#sampled.has(record.run)) return;
    this.#sampled.add(record.run);
    void this.#sample(record)
      // Without samples a run reports no resource use; that is no failure of the run.
      .catch(() => undefined)
      .finally(() => this.#sampled.delete(record.run));
  }

  close(): void {
    this.#closing.abort();
  }

  async #sample(record: RunRecord): Promise<void> {
    const { runtimes, book, now } = this.#deps;
    const runtime = runtimes.of(record);
    const begun = now();
    let noteAt = begun + NOTE_MS;
    for (let ms = FIRST_MS; record.phase === "running" && !book.closed; ms = Math.min(MOST_MS, ms * 1.5)) {
      const seen = await runtime.usage(record.run).catch(() => undefined);
      if (seen) {
        const { cpuMs = 0, memoryBytes = 0, ioBytes = 0 } = record.used ?? {};
        record.used = {
          cpuMs: Math.max(cpuMs, seen.cpuMs),
          memoryBytes: Math.max(memoryBytes, seen.memoryBytes),
          ioBytes: Math.max(ioBytes, seen.ioBytes),
        };
      }
      if (now() >= noteAt && record.phase === "running" && !book.closed) {
        book.save(record);
        noteAt = now() + Math.max(NOTE_MS, now() - begun);
      }
      await sleep(ms, undefined, { signal: this.#closing.signal });
    }
  }
}
