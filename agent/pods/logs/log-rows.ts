import { LIMITS } from "#protocol/limits.ts";
import { STDERR_OFFSET } from "#protocol/wire.ts";
import { CUT, cutBytes } from "../../files/cut-bytes.ts";
import type { LogFrame } from "../pod-runtime.ts";

type Stream = LogFrame["stream"];

/** A line whose end the engine has not given yet. `cut`: its row is out, the rest of it is left out. */
type Begun = { time: string; parts: Buffer[]; bytes: number; cut: boolean };

/** What {@link LogRows} holds between two frames, for JSON: `text` in base64. */
export type Carried = Partial<Record<Stream, { time: string; text: string; cut?: true }>>;

/**
 * Puts the pieces in which an engine gives long lines together again: each line is one row
 * `<RFC 3339 with nanoseconds> <text>\n`, with the time of its first piece, which also tells its stream. Of a line over `limit` bytes the
 * beginning stays, without half a UTF-8 character, and a mark ends it within the limit.
 */
export class LogRows {
  readonly #limit: number;
  readonly #marked: boolean;
  readonly #begun: Partial<Record<Stream, Begun>> = {};

  /**
   * Goes on where another one was that told `carried`.
   * @param limit of a line, in bytes (default LIMITS.logLineBytes)
   * @param marked times tell the stream (default true)
   */
  constructor(
    carried: Carried = {},
    { limit = LIMITS.logLineBytes, marked = true }: { limit?: number; marked?: boolean } = {},
  ) {
    this.#limit = limit;
    this.#marked = marked;
    for (const stream of STREAMS) {
      const told = carried[stream];
      if (!told) continue;
      const part = Buffer.from(told.text, "base64");
      this.#begun[stream] = { time: told.time, parts: [part], bytes: part.length, cut: told.cut === true };
    }
  }

  /** The row that the frame completes; empty while its line goes on. */
  push(frame: LogFrame): Buffer {
    const begun = this.#begun[frame.stream] ?? {
      time: this.#stampOf(frame),
      parts: [],
      bytes: 0,
      cut: false,
    };
    if (frame.partial) this.#begun[frame.stream] = begun;
    else delete this.#begun[frame.stream];
    if (begun.cut) return EMPTY;
    begun.parts.push(frame.text);
    begun.bytes += frame.text.length;
    if (frame.partial && begun.bytes <= this.#limit) return EMPTY;
    const row = this.#row(begun);
    begun.cut = true;
    begun.parts = [];
    return row;
  }

  /** Rows of the lines that never ended, when the log has. */
  end(): Buffer {
    const rows = STREAMS.flatMap((stream) => {
      const begun = this.#begun[stream];
      delete this.#begun[stream];
      return begun && !begun.cut ? [this.#row(begun)] : [];
    });
    return Buffer.concat(rows);
  }

  /** How many bytes of lines that have not ended are held. */
  get heldBytes(): number {
    return STREAMS.reduce(
      (sum, stream) => sum + (this.#begun[stream]?.parts ?? []).reduce((n, p) => n + p.length, 0),
      0,
    );
  }

  /** What another one needs to go on from here; undefined when no line has begun. */
  get carried(): Carried | undefined {
    const carried: Carried = {};
    for (const stream of STREAMS) {
      const begun = this.#begun[stream];
      if (!begun) continue;
      const text = Buffer.concat(begun.parts).toString("base64");
      carried[stream] = { time: begun.time, text, ...(begun.cut && { cut: true }) };
    }
    return Object.keys(carried).length > 0 ? carried : undefined;
  }

  #stampOf({ stream, time }: LogFrame): string {
    return this.#marked && stream === "stderr" ? time.replace(/Z$/, STDERR_OFFSET) : time;
  }

  #row({ time, parts }: Begun): Buffer {
    const text = cutBytes(Buffer.concat(parts), this.#limit, CUT);
    return Buffer.concat([Buffer.from(`${time} `, "latin1"), text, NEWLINE]);
  }
}

const STREAMS: readonly Stream[] = ["stdout", "stderr"];
const NEWLINE = Buffer.from("\n");
const EMPTY: Buffer<ArrayBufferLike> = Buffer.alloc(0);
