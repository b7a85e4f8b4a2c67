import { stampOf } from "./log-stamp.ts";

/** A line of a log. */
export type LogRow = {
  /** the byte offset in the log at which the row ends: it grows and is never given to another row */
  cursor: number;
  /** RFC 3339, as the engine stamped it; absent on the agent's own notes */
  time?: string;
  /** it was written to standard error; absent: to standard output, or the engine does not say */
  stream?: "stderr";
  /** without its time and line feed; bytes that are no UTF-8 are replaced */
  text: string;
};

/** Rows after a cursor. */
export type RowPage = {
  rows: LogRow[];
  /** what to ask for next: the last row's cursor, or where the log goes on when rows are kept no more */
  next: number;
  /** rows between the cursor asked for and the first one here are kept no more */
  dropped: boolean;
  /** the log has ended and these are its last rows */
  complete: boolean;
};

const NEWLINE = 0x0a;

/**
 * Cuts the bytes of a log, from a cursor on, into rows. What is fed in comes in order and may jump ahead where the
 * oldest was dropped; a row that lost its beginning is left out.
 */
export class LogRows {
  /** the cursor asked for */
  readonly from: number;
  readonly #limit: number;
  readonly #rows: LogRow[] = [];
  #held: Buffer[] = [];
  /** where the next byte belongs */
  #at: number;
  #next: number;
  #dropped = false;
  /** the beginning of the present row was dropped */
  #headless = false;

  constructor(from: number, limit: number) {
    this.from = from;
    this.#at = from;
    this.#next = from;
    this.#limit = limit;
  }

  /** No more rows are wanted. */
  get full(): boolean {
    return this.#rows.length >= this.#limit;
  }

  /** @param offset of the first byte in the log */
  push(offset: number, bytes: Buffer): void {
    if (this.full) return;
    if (offset > this.#at) {
      this.#dropped = true;
      this.#held = [];
      this.#headless = stampOf(bytes) === undefined;
      this.#next = offset;
    }
    for (let at = 0; at < bytes.length && !this.full; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline === -1 ? bytes.length : newline + 1;
      this.#held.push(bytes.subarray(at, newline === -1 ? end : newline));
      this.#at = offset + end;
      if (newline !== -1) this.#take();
      at = end;
    }
  }

  /** @param ended the log has ended: what is left without a line feed is a row */
  page(ended: boolean): RowPage {
    if (ended && !this.full && this.#held.some((piece) => piece.length > 0)) this.#take();
    return {
      rows: this.#rows,
      next: this.#next,
      dropped: this.#dropped,
      complete: ended && !this.full,
    };
  }

  #take(): void {
    const line = Buffer.concat(this.#held);
    this.#held = [];
    this.#next = this.#at;
    if (!this.#headless) this.#rows.push(rowOf(line, this.#at));
    this.#headless = false;
  }
}

function rowOf(line: Buffer, cursor: number): LogRow {
  const stamp = stampOf(line);
  const { time, stream, bytes = 0 } = stamp ?? {};
  return { cursor, ...(time && { time }), ...(stream && { stream }), text: line.toString("utf8", bytes) };
}
