import { LIMITS } from "#protocol/limits.ts";

/** bytes of a row's time and the space behind it */
const STAMP = "2026-01-01T00:00:00.000Z ".length;

/** The last rows of a log, LIMITS.logEndBytes at most, in memory: who is cut off before its end begins again. */
export class LogEnd {
  #rows: string[] = [];
  /** the first of them that is kept */
  #first = 0;
  #bytes = 0;
  #leftOut = 0;

  add(row: string): void {
    this.#rows.push(row);
    this.#bytes += Buffer.byteLength(row);
    while (this.#bytes > LIMITS.logEndBytes) {
      const bytes = Buffer.byteLength(this.#rows[this.#first++]!);
      this.#bytes -= bytes;
      this.#leftOut += Math.max(0, bytes - STAMP);
    }
    // not with each row: it moves all the others
    if (this.#first > this.#rows.length / 2) {
      this.#rows.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Each with its line feed. */
  get rows(): string[] {
    return this.#rows.slice(this.#first);
  }

  /** Bytes of the rows before them, without their times. */
  get leftOut(): number {
    return this.#leftOut;
  }
}
