import {
  controlFrames,
  creditFrame,
  type DataStream,
  dataFrames,
  FrameError,
  FrameReader,
} from "./live-frames.ts";
import { LIVE_LIMITS } from "./live-limits.ts";
import { type DataPiece, PieceQueue } from "./live-pieces.ts";

export type ChannelDeps = {
  /** puts a frame on the socket, in order; never waits */
  send(frame: Uint8Array): void;
  /** a control message of the other side, unchecked. @throws whatever makes it unreadable */
  control(message: unknown): void;
  /** bytes that may be under way towards this side now */
  window(): number;
  /** streams that the other side may send */
  accepts: readonly DataStream[];
  /** bytes of one control message of the other side (default LIVE_LIMITS.controlBytes) */
  controlBytes?: number;
  /** the other side sent what is not of this protocol; called once, nothing is read after it */
  broken(error: Error): void;
};

export type { DataPiece } from "./live-pieces.ts";

/** Credit that both sides begin with; what is more is granted when the first bytes were consumed. */
const FIRST_CREDIT = LIVE_LIMITS.firstCreditBytes;

/**
 * One side of a live session's socket: frames, and credit in both directions. It holds at most the window of what was
 * received and not consumed; what cannot be sent stays with its sender. No I/O: the socket is its owner's.
 */
export class LiveChannel {
  readonly #deps: ChannelDeps;
  readonly #reader: FrameReader;
  readonly #received = new PieceQueue();
  /** bytes that the other side may still send, and those of it that wait here */
  #granted = FIRST_CREDIT;
  #held = 0;
  /** bytes that may be sent */
  #credit = FIRST_CREDIT;
  #sending: Promise<void> = Promise.resolve();
  #creditCame: (() => void) | undefined;
  #pieceCame: (() => void) | undefined;
  /** nothing more is read of the pieces' source */
  #ended = false;
  /** nothing more is sent of data */
  #mute = false;
  #broken = false;
  #over = false;
  /** payload bytes, for the notes of a session */
  sentBytes = 0;
  receivedBytes = 0;

  constructor(deps: ChannelDeps) {
    this.#deps = deps;
    this.#reader = new FrameReader(deps.controlBytes);
  }

  /** Nothing that was received waits to be read. */
  get isEmpty(): boolean {
    return this.#held === 0;
  }

  /** @throws RangeError for one that is too long */
  sendControl(message: unknown): void {
    if (this.#over) return;
    for (const frame of controlFrames(message)) this.#deps.send(frame);
  }

  /** Resolves when all of it was sent, or dropped because the channel is over. Later calls wait for earlier ones. */
  sendData(stream: DataStream, data: Uint8Array): Promise<void> {
    this.#sending = this.#sending.then(() => this.#send(stream, data));
    return this.#sending;
  }

  /** A frame that came. */
  receive(bytes: Uint8Array): void {
    if (this.#broken || this.#over) return;
    try {
      const frame = this.#reader.read(bytes);
      if (frame === undefined) return;
      if (frame.kind === "control") this.#deps.control(frame.message);
      else if (frame.kind === "credit") this.#grant(frame.bytes);
      else this.#take({ stream: frame.kind, data: frame.data });
    } catch (error) {
      this.#broken = true;
      this.endReceiving();
      this.#deps.broken(error as Error);
    }
  }

  /** Data as it comes; ends after {@link LiveChannel.endReceiving} when all was read. For one reader. */
  async *pieces(): AsyncGenerator<DataPiece> {
    for (;;) {
      const piece = this.#received.shift();
      if (piece) {
        yield piece;
        this.#consumed(piece.data.length);
      } else if (this.#ended || this.#over) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#pieceCame = resolve;
        });
      }
    }
  }

  /** No data comes any more from the other side, and what comes is dropped; what waits is still read. */
  endReceiving(): void {
    this.#ended = true;
    this.#pieceCame?.();
  }

  /** The other side takes no data any more: whoever waits to send goes on, and what is sent later is dropped. */
  endSending(): void {
    this.#mute = true;
    this.#creditCame?.();
  }

  /** All is over: what waits is dropped, and whoever waits goes on. */
  close(): void {
    this.#over = true;
    this.#received.clear();
    this.#pieceCame?.();
    this.#creditCame?.();
  }

  async #send(stream: DataStream, data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && !this.#over && !this.#mute; ) {
      if (this.#credit === 0) {
        await new Promise<void>((resolve) => {
          this.#creditCame = resolve;
        });
        continue;
      }
      const bytes = Math.min(this.#credit, data.length - at);
      for (const frame of dataFrames(stream, data.subarray(at, at + bytes))) this.#deps.send(frame);
      this.#credit -= bytes;
      this.sentBytes += bytes;
      at += bytes;
    }
  }

  #take(piece: DataPiece): void {
    if (!this.#deps.accepts.includes(piece.stream)) throw new FrameError("data in the wrong direction");
    const { length } = piece.data;
    if (this.#ended) return;
    if (length > this.#granted) throw new FrameError("more data than was allowed");
    this.#granted -= length;
    this.#held += length;
    this.receivedBytes += length;
    this.#received.push(piece);
    this.#pieceCame?.();
  }

  #grant(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > LIVE_LIMITS.creditBytes) throw new FrameError("more credit than there can be");
    if (bytes > 0) this.#creditCame?.();
  }

  #consumed(bytes: number): void {
    this.#held -= bytes;
    const window = this.#deps.window();
    const more = window - this.#granted - this.#held;
    // small grants would cost a frame each
    if (this.#over || this.#ended || more < Math.min(window / 4, LIVE_LIMITS.grantBytes)) return;
    this.#granted += more;
    this.#deps.send(creditFrame(more));
  }
}
