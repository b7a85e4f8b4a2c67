import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { KiB, LIMITS } from "#protocol/limits.ts";
import { BEGUN_AGAIN_ROW, leftOutRow } from "#protocol/log-notes.ts";
import { CUT, cutBytes } from "../../files/cut-bytes.ts";
import { isErrno } from "../../files/directory.ts";
import { LogEnd } from "./log-end.ts";

/** Bytes from the beginning of a log: with its end and a note between them it is within its bound. */
const BEGINNING = LIMITS.logBytes - LIMITS.logEndBytes - KiB;

/**
 * The log of one command on the edge's disk, until all of it is on the ground: rows `<RFC 3339> <text>\n`. What was
 * written stays as it is, so that a part of it can be sent again under the same number. Lines over the bound of a
 * log line are cut. Of a log over LIMITS.logBytes the beginning stays and, written once it has ended, its last
 * LIMITS.logEndBytes after a note of how much is left out.
 */
export class LogFile {
  readonly #fd: number;
  readonly #now: () => Date;
  #bytes: number;
  /** rows that the file is not to take, or not yet */
  #end: LogEnd | undefined;
  #again = false;
  /** it takes no more rows at all */
  #full = false;

  constructor(path: string, now: () => Date = () => new Date()) {
    this.#fd = openSync(path, "a+", 0o600);
    this.#now = now;
    this.#bytes = fstatSync(this.#fd).size;
    // an earlier life has written its end
    this.#full = this.#bytes > BEGINNING;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The command is done again: says so before the next row, where there are any. */
  again(): void {
    this.#again = this.#bytes > 0;
  }

  /** Adds text that may hold several lines. */
  write(text: string): void {
    if (this.#again) this.#add(`${BEGUN_AGAIN_ROW}\n`);
    this.#again = false;
    for (const line of text.replace(/\n$/, "").split("\n")) {
      const text = cutBytes(Buffer.from(line), LIMITS.logLineBytes, CUT);
      this.#add(`${this.#now().toISOString()} ${text}\n`);
    }
  }

  /** The command has ended: writes the end of a log that is too long. */
  end(): void {
    if (!this.#end) return;
    const { rows, leftOut } = this.#end;
    this.#append(`${leftOut > 0 ? `${leftOutRow(leftOut)}\n` : ""}${rows.join("")}`);
    this.#end = undefined;
    this.#full = true;
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

  #add(row: string): void {
    if (this.#full) return;
    if (!this.#end && this.#bytes + Buffer.byteLength(row) > BEGINNING) this.#end = new LogEnd();
    if (this.#end) this.#end.add(row);
    else this.#append(row);
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
