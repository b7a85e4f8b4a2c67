import { STAMP_BYTES, stampOf } from "./log-stamp.ts";

const NEWLINE = 0x0a;
const EMPTY: Buffer<ArrayBufferLike> = Buffer.alloc(0);

/**
 * Turns stored log bytes (lines that begin with an RFC 3339 time and a space) into what users see: the times
 * are stripped unless `timestamps`, and lines older than `since` (ms since 1970) are skipped. A line without
 * a time is treated like the line before it. Chunks may be cut anywhere; at most 36 bytes are buffered.
 */
export class LogLines {
  readonly #since: number;
  readonly #timestamps: boolean;
  /** the beginning of a line that is too short to contain its time */
  #held = EMPTY;
  #inLine = false;
  #skipLine = false;
  #wanted: boolean;

  constructor(options: { since?: number; timestamps?: boolean } = {}) {
    this.#since = options.since ?? Number.NEGATIVE_INFINITY;
    this.#timestamps = options.timestamps ?? false;
    this.#wanted = options.since === undefined;
  }

  /** Adds a chunk; returns the output for it. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = EMPTY;
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline === -1 ? bytes.length : newline + 1;
      if (!this.#inLine) {
        if (newline === -1 && end - at < STAMP_BYTES) {
          this.#held = Buffer.from(bytes.subarray(at));
          break;
        }
        at += this.#begin(bytes.subarray(at, end));
      }
      if (this.#wanted && !this.#skipLine) out.push(bytes.subarray(at, end));
      this.#inLine = newline === -1;
      if (!this.#inLine) this.#skipLine = false;
      at = end;
    }
    return out.length === 1 ? out[0]! : Buffer.concat(out);
  }

  /** Returns the remaining output at the end of the log. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = EMPTY;
    const text = rest.subarray(this.#begin(rest));
    return this.#wanted ? text : EMPTY;
  }

  /** To be called where bytes are missing: an unfinished line ends, and one without its beginning is dropped. */
  gap(next: Buffer): Buffer {
    const unfinished = this.#held.length > 0 || (this.#inLine && !this.#skipLine);
    const rest = this.end();
    const ended = unfinished && this.#wanted ? Buffer.concat([rest, Buffer.from("\n")]) : rest;
    this.#inLine = stampOf(next) === undefined;
    this.#skipLine = this.#inLine;
    return ended;
  }

  /** Reads the time at the beginning of a line; returns how many bytes of the line to strip. */
  #begin(line: Buffer): number {
    const stamp = stampOf(line);
    if (!stamp) return 0;
    this.#wanted = this.#wanted || Date.parse(stamp.time) >= this.#since;
    return this.#timestamps ? 0 : stamp.bytes;
  }
}

/**
 * The offset of the last `lines` lines of `bytes`, or how many of them are before it (`left`): a search from the end
 * continues in the preceding bytes. A last line without a newline counts.
 */
export function tailStart(
  bytes: Buffer,
  lines: number,
  atEnd: boolean,
): { start: number } | { left: number } {
  let left = lines;
  // the newline at the end of the last line does not start another one
  let from = bytes.length - 1;
  if (atEnd && bytes[from] === NEWLINE) from--;
  for (; from >= 0; from--) {
    const newline = bytes.lastIndexOf(NEWLINE, from);
    if (newline === -1) break;
    left--;
    if (left === 0) return { start: newline + 1 };
    from = newline;
  }
  return { left };
}
