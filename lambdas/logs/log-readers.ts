/** Who has asked for nothing more for so long (ms) does not read as it comes: its connection stands still. */
const STALLED_MS = 5_000;

type Reader = { lookedAt: number };

/** Who reads which log as it comes, in this process. */
export class LogReaders {
  readonly #readers = new Map<string, Set<Reader>>();
  readonly #now: () => number;

  /** @param now monotonic ms (default performance.now) */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Somebody begins to read a log. `looks`: asks for more of it; `end`: reads it no more. */
  begin(prefix: string): { looks: () => void; end: () => void } {
    const reader: Reader = { lookedAt: this.#now() };
    const readers = this.#readers.get(prefix) ?? new Set();
    this.#readers.set(prefix, readers.add(reader));
    return {
      looks: () => {
        reader.lookedAt = this.#now();
      },
      end: () => {
        readers.delete(reader);
        if (readers.size === 0 && this.#readers.get(prefix) === readers) this.#readers.delete(prefix);
      },
    };
  }

  /** Has somebody who reads this log asked for more of it lately? */
  has(prefix: string): boolean {
    const oldest = this.#now() - STALLED_MS;
    for (const { lookedAt } of this.#readers.get(prefix) ?? []) if (lookedAt > oldest) return true;
    return false;
  }
}
