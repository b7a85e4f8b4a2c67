import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";

/** Takes the content of one part, in pieces that are views of the body's own chunks. */
export type PartSink = { data(piece: Buffer): void; end(): void };

/** Blanks that may follow a boundary on its line (RFC 2046: transport padding). */
const PADDING_BYTES = 256;
const CRLF = Buffer.from("\r\n");
const BLANK_LINE = Buffer.from("\r\n\r\n");
const CR = 0x0d;

type State = "preamble" | "delimiter" | "headers" | "start" | "content" | "closing" | "epilogue";

/**
 * Cuts a multipart body (RFC 2046) into parts, whatever pieces it comes in. Every byte belongs to a part, or to
 * what the RFC says to ignore (before the first boundary, after the last); what could be read in two ways is
 * refused: a boundary that its line goes on after, one within headers, one after the end.
 */
export class MultipartParser {
  readonly #delimiter: Buffer;
  readonly #onPart: (headers: Buffer, number: number) => PartSink;
  #state: State = "preamble";
  /** the end of what came in, which means nothing without what follows; the first boundary needs no line end before */
  #held: Buffer = CRLF;
  #parts = 0;
  #sink: PartSink | undefined;

  /** @param onPart is called with the header block of each part, without its blank line, and the part's number from 1 */
  constructor(boundary: string, onPart: (headers: Buffer, number: number) => PartSink) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
    this.#onPart = onPart;
  }

  /** @throws INVALID_PARAMETERS when this is no multipart body; whatever the sinks and `onPart` throw */
  write(chunk: Buffer): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    for (;;) {
      const next = this.#step(bytes, at);
      if (next === undefined) break;
      at = next;
    }
    this.#held = bytes.subarray(bytes.length - this.#undecided);
  }

  /** The body is over. @throws INVALID_PARAMETERS when it is not whole */
  end(): void {
    const over = this.#state === "epilogue" || (this.#state === "closing" && isBlank(this.#held));
    if (!over) throw malformed("The body is not a whole multipart form");
  }

  /** how many bytes at the end of what came in wait for more */
  #undecided = 0;

  /** Takes a piece from `at` on: where the next one begins, or undefined when more has to come in. */
  #step(bytes: Buffer, at: number): number | undefined {
    switch (this.#state) {
      case "preamble":
      case "epilogue":
      case "content":
        return this.#content(bytes, at);
      case "delimiter":
        return this.#delimiterLine(bytes, at);
      case "closing":
        return this.#closingLine(bytes, at);
      case "headers":
        return this.#headers(bytes, at);
      case "start":
        return this.#start(bytes, at);
    }
  }

  #content(bytes: Buffer, at: number): number | undefined {
    const found = bytes.indexOf(this.#delimiter, at);
    const end = found >= 0 ? found : bytes.length - this.#beginning(bytes, at);
    if (end > at) this.#sink?.data(bytes.subarray(at, end));
    if (found < 0) return this.#wait(bytes.length - end);
    if (this.#state === "epilogue") throw malformed("The form goes on after its closing boundary");
    return this.#matched(found);
  }

  /** A boundary at `found`: what came before it is a part's end. */
  #matched(found: number): number {
    this.#sink?.end();
    this.#sink = undefined;
    this.#state = "delimiter";
    return found + this.#delimiter.length;
  }

  /** How many bytes at the end may be the beginning of a boundary. A boundary holds one CR, its first byte. */
  #beginning(bytes: Buffer, at: number): number {
    const from = Math.max(at, bytes.length - this.#delimiter.length + 1);
    const cr = bytes.lastIndexOf(CR);
    if (cr < from) return 0;
    const length = bytes.length - cr;
    return this.#delimiter.subarray(0, length).equals(bytes.subarray(cr)) ? length : 0;
  }

  #delimiterLine(bytes: Buffer, at: number): number | undefined {
    if (bytes.length - at < 2) return this.#wait(bytes.length - at);
    if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) {
      this.#state = "closing";
      return at + 2;
    }
    const end = this.#padding(bytes, at);
    if (end === undefined) return this.#wait(bytes.length - at);
    this.#parts++;
    this.#state = "headers";
    return end;
  }

  #closingLine(bytes: Buffer, at: number): number | undefined {
    const end = this.#padding(bytes, at);
    if (end === undefined) return this.#wait(bytes.length - at);
    this.#state = "epilogue";
    return end;
  }

  /** Where the line end is after a boundary, past blanks alone. */
  #padding(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf(CRLF, at);
    const rest = bytes.subarray(at, end < 0 ? bytes.length : end);
    // a CR that may be half of a line end
    const blanks = end < 0 && rest.at(-1) === CR ? rest.subarray(0, -1) : rest;
    if (!isBlank(blanks) || blanks.length > PADDING_BYTES) {
      throw malformed("A boundary of the form is followed by something else on its line");
    }
    return end < 0 ? undefined : end;
  }

  /** From the line end of the boundary's line to the blank line. */
  #headers(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf(BLANK_LINE, at);
    const known = end < 0 ? bytes.length : end;
    const boundary = bytes.subarray(0, known).indexOf(this.#delimiter, at);
    if (boundary >= 0) throw malformed(`Part ${this.#parts} of the form ends within its headers`);
    if (known - at > LIMITS.partHeaderBytes) {
      throw malformed(
        `Part ${this.#parts} of the form: its headers are over ${LIMITS.partHeaderBytes / KiB} KiB`,
      );
    }
    if (end < 0) return this.#wait(bytes.length - at);
    this.#sink = this.#onPart(bytes.subarray(Math.min(at + CRLF.length, end), end), this.#parts);
    this.#state = "start";
    return end + CRLF.length;
  }

  /** At the blank line's end, which may be the line end before a boundary: then the part has no content. */
  #start(bytes: Buffer, at: number): number | undefined {
    const length = Math.min(this.#delimiter.length, bytes.length - at);
    const same = bytes.subarray(at, at + length).equals(this.#delimiter.subarray(0, length));
    if (same && length < this.#delimiter.length) return this.#wait(length);
    if (same) return this.#matched(at);
    this.#state = "content";
    return at + CRLF.length;
  }

  #wait(undecided: number): undefined {
    this.#undecided = undecided;
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09);
}

function malformed(message: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", message);
}
