import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { LIMITS } from "#protocol/limits.ts";
import { CUT, cutBytes } from "../../files/cut-bytes.ts";
import { isErrno } from "../../files/directory.ts";

/** What a log says in place of the lines that it has no room for. */
const FULL = "… the log is full; further lines were dropped\n";
/** What a log says where a command that was cut off is done again. */
const AGAIN = "… the agent started anew, and the work begins again\n";

/**
 * The log of one command on the edge's disk, until all of it is on the ground: rows `<RFC 3339> <text>\n`. What was
 * written stays as it is, so that a part of it can be sent again under the same number. Lines over the bound of a
 * log line are cut, and a log over LIMITS.logBytes takes no more lines and says so.
 */
export class LogFile {
  readonly #fd: number;
  readonly #now: () => Date;
  #bytes: number;
  #full = false;

  constructor(path: string, now: () => Date = () => new Date()) {
    this.#fd = openSync(path, "a+", 0o600);
    this.#now = now;
    this.#bytes = fstatSync(this.#fd).size;
    this.#full = this.#bytes >= LIMITS.logBytes;
    if (this.#bytes > 0) this.#append(AGAIN);
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds text that may hold several lines. */
  write(text: string): void {
    for (const line of text.replace(/\n$/, "").split("\n")) {
      if (this.#full) return;
      const text = cutBytes(Buffer.from(line), LIMITS.logLineBytes, CUT);
      const row = `${this.#now().toISOString()} ${text}\n`;
      this.#full = this.#bytes + Buffer.byteLength(row) > LIMITS.logBytes;
      this.#append(this.#full ? FULL : row);
    }
  }

  /** Bytes `from` to `to` of what was written. */
  read(from: number, to: number): Buffer {
    const buffer = Buffer.alloc(to - from);
    const read = readSync(this.#fd, buffer, 0, buffer.length, from);
    return buffer.subarray(0, read);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(text: string): void {
    try {
      this.#bytes += writeSync(this.#fd, text);
    } catch (error) {
      // Without room the work goes on and its log ends here.
      if (!isErrno(error, "ENOSPC", "EDQUOT")) throw error;
      this.#full = true;
    }
  }
}
