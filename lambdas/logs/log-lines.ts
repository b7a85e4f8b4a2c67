const NEWLINE = 0x0a;
/** `2025-11-20T12:31:12.123456789+00:00 ` and no longer */
const STAMP_BYTES = 36;
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) /;
const EMPTY: Buffer<ArrayBufferLike> = Buffer.alloc(0);

/**
 * Turns stored log bytes (lines that begin with an RFC 3339 time and a space) into what users see: the times
 * are stripped unless `timestamps`, and lines older than `since` (ms since 1970) are left out. A line without
 * a time goes the way of the line before it. Fed in chunks cut anywhere; keeps at most 36 bytes.
 */
export class LogLines {
  readonly #since: number;
  readonly #timestamps: boolean;
  /** beginning of a line, too short to tell its time */
  #held = EMPTY;
  #inLine = false;
  #skipLine = false;
  #wanted: boolean;

  constructor(options: { since?: number; timestamps?: boolean } = {}) {
    this.#since = options.since ?? Number.NEGATIVE_INFINITY;
    this.#timestamps = options.timestamps ?? false;
    this.#wanted = options.since === undefined;
  }

  /** What `chunk` adds to the output. */
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

  /** What is left when the log ends within the first bytes of a line. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = EMPTY;
    const text = rest.subarray(this.#begin(rest));
    return this.#wanted ? text : EMPTY;
  }

  /** Call where bytes are missing from the log: an unfinished line ends, and a line cut at its front is dropped. */
  gap(next: Buffer): Buffer {
    const unfinished = this.#held.length > 0 || (this.#inLine && !this.#skipLine);
    const rest = this.end();
    const ended = unfinished && this.#wanted ? Buffer.concat([rest, Buffer.from("\n")]) : rest;
    this.#inLine = !STAMP.test(next.toString("latin1", 0, STAMP_BYTES));
    this.#skipLine = this.#inLine;
    return ended;
  }

  /** Reads the time that begins a line; returns how many bytes of it are not for the user. */
  #begin(line: Buffer): number {
    const [stamp, time] = STAMP.exec(line.toString("latin1", 0, STAMP_BYTES)) ?? [];
    if (!stamp || !time) return 0;
    this.#wanted = this.#wanted || Date.parse(time) >= this.#since;
    return this.#timestamps ? 0 : stamp.length;
  }
}

/**
 * Where the last `lines` lines of `bytes` begin, or how many of them lie before it: a search from the back
 * goes on in the bytes before with `left`. An end without a newline counts as a line.
 */
export function tailStart(
  bytes: Buffer,
  lines: number,
  atEnd: boolean,
): { start: number } | { left: number } {
  let left = lines;
  // the newline that ends the last line begins none
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
