import type { DataStream } from "./live-frames.ts";

export type DataPiece = { stream: DataStream; data: Uint8Array };

/** So many pieces wait as they came. */
const LOOSE = 16;
/** With more, pieces below this (bytes) are joined with those of their stream. */
const SMALL = 1024;
/** Bytes that are joined. */
const ROOM = 4096;
/** Bytes of pieces of one stream that wait when they are read, and are read as one: a frame each would cost a write each. */
const READ = 64 * 1024;

type Held = { stream: DataStream; data: Uint8Array; used: number };

/**
 * Pieces that wait for one reader, in order within each stream. A program may write, and a user send, single bytes: each
 * in a piece of its own would hold a hundred times its size.
 */
export class PieceQueue {
  readonly #waiting: Held[] = [];
  /** by stream, the last that waits and has room */
  readonly #open = new Map<DataStream, Held>();

  /** pieces that wait */
  get length(): number {
    return this.#waiting.length;
  }

  push({ stream, data }: DataPiece): void {
    const open = this.#open.get(stream);
    if (open && data.length < SMALL && open.used + data.length <= ROOM) {
      open.data.set(data, open.used);
      open.used += data.length;
      return;
    }
    this.#open.delete(stream);
    const held: Held = { stream, data, used: data.length };
    if (data.length < SMALL && this.#waiting.length >= LOOSE) {
      held.data = new Uint8Array(ROOM);
      held.data.set(data);
      this.#open.set(stream, held);
    }
    this.#waiting.push(held);
  }

  /** The first that waits, with those of its stream behind it. */
  shift(): DataPiece | undefined {
    const first = this.#take();
    if (!first) return undefined;
    const { stream } = first;
    const all = [first.data];
    for (let bytes = first.data.length; ; ) {
      const next = this.#waiting[0];
      if (!next || next.stream !== stream || bytes + next.used > READ) break;
      const { data } = this.#take()!;
      all.push(data);
      bytes += data.length;
    }
    return all.length === 1 ? first : { stream, data: Buffer.concat(all) };
  }

  #take(): DataPiece | undefined {
    const held = this.#waiting.shift();
    if (!held) return undefined;
    const { stream, data, used } = held;
    if (this.#open.get(stream) === held) this.#open.delete(stream);
    return { stream, data: data.subarray(0, used) };
  }

  clear(): void {
    this.#waiting.length = 0;
    this.#open.clear();
  }
}
