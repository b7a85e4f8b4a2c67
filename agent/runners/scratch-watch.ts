import type { PodRuntime } from "../pods/pod-runtime.ts";
import type { RunnerBook } from "./runner-book.ts";
import type { RunnerRecord } from "./runner-record.ts";

export type ScratchWatchDeps = {
  book: RunnerBook;
  runtime: Pick<PodRuntime, "listRunners">;
  changed(): void;
  onError(error: unknown): void;
};

export type ScratchWatchOptions = {
  /** bytes that one runner may write */
  scratchBytes: number;
  /** ms between looks, while runners are in use */
  everyMs: number;
};

/** Ends runners that write more than they may, and the largest of a user who is over the quota. */
export class ScratchWatch {
  readonly #deps: ScratchWatchDeps;
  readonly #options: ScratchWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(deps: ScratchWatchDeps, options: ScratchWatchOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Looks from now on, for as long as a runner is in use. */
  begin(): void {
    const used = this.#deps.book.all().some(({ state }) => state === "used");
    if (this.#closed || this.#timer || !used) return;
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => {
        this.#timer = undefined;
        this.begin();
      });
    }, this.#options.everyMs);
  }

  /** Ends the runner of the user that holds most. @returns whether there was one that holds anything */
  async evict(user: string): Promise<boolean> {
    const [largest] = (await this.#sizes()).filter(({ record }) => record.user === user);
    if (!largest || largest.bytes === 0) return false;
    this.#end(largest.record);
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      for (const { record, bytes } of await this.#sizes()) {
        if (bytes > this.#options.scratchBytes) this.#end(record);
      }
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  #end(record: RunnerRecord): void {
    this.#deps.book.end(record, "evicted");
    this.#deps.changed();
  }

  /** Used runners by what they hold, the largest first. */
  async #sizes(): Promise<{ record: RunnerRecord; bytes: number }[]> {
    const { book, runtime } = this.#deps;
    const listed = await runtime.listRunners!({ sizes: true });
    return listed
      .flatMap(({ run, bytes }) => {
        const record = book.get(run);
        return record?.state === "used" && bytes !== undefined ? [{ record, bytes }] : [];
      })
      .sort((a, b) => b.bytes - a.bytes);
  }
}
