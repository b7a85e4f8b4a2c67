import { KiB } from "../limits.ts";
import { GEAR } from "./gear.ts";

/**
 * Bytes of a chunk; the last one of a content, and those between the headers of a tar, may be shorter. Smaller ones cost
 * more in the list than they save where a file of 100 MB has changed in ten places; larger ones the other way round.
 */
export const CHUNK = { least: 2 * KiB, normal: 8 * KiB, most: 32 * KiB };

/** How content is cut. Who cuts otherwise, by other sizes or numbers, has another name for it. */
export const CHUNKER = "gear-3";

/** Bytes of a tar's header; all in a tar is filled up to it. */
export const TAR_BLOCK = 512;
const TAR_MAGIC = { at: 257, text: Buffer.from("ustar") };

/**
 * How many of the hash's upper bits must be zero at a cut: two more than log2(normal) up to the normal size, two fewer
 * after it.
 */
const BEFORE = 32 - 15;
const AFTER = 32 - 11;

const ROOM = 256 * KiB;

/**
 * Cuts content where it says so itself, as FastCDC does (Xia and others, USENIX ATC 2016): a gear hash of the last 32
 * bytes, no cut and no hash below the least size, normalized sizes. A change moves only the cuts near it. Headers of a
 * tar are chunks of their own: in one that was built again they are what has changed.
 */
export class Chunker {
  readonly #buffer = Buffer.allocUnsafe(ROOM);
  #from = 0;
  #to = 0;
  /** of the chunk that has begun, in the content */
  #offset = 0;

  /** Takes more of the content. @returns the chunks that are whole now, each until the next one is asked for */
  *push(bytes: Uint8Array): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const some = bytes.subarray(at, at + ROOM - this.#to);
      this.#buffer.set(some, this.#to);
      this.#to += some.length;
      at += some.length;
      yield* this.#cut(CHUNK.most + TAR_BLOCK);
      if (this.#to < ROOM) continue;
      this.#buffer.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
  }

  /** @returns the last chunks, when the content has ended */
  *end(): Generator<Buffer> {
    yield* this.#cut(1);
  }

  *#cut(enough: number): Generator<Buffer> {
    while (this.#to - this.#from >= enough) {
      const there = this.#buffer.subarray(this.#from, this.#to);
      const chunk = there.subarray(0, endOfChunk(there, this.#offset));
      this.#from += chunk.length;
      this.#offset += chunk.length;
      yield chunk;
    }
  }
}

/** Where the chunk ends that begins at `offset` of a content. `bytes` are what follows there. */
function endOfChunk(bytes: Buffer, offset: number): number {
  const toBlock = (TAR_BLOCK - (offset % TAR_BLOCK)) % TAR_BLOCK;
  if (toBlock === 0 && isHeader(bytes, 0)) return TAR_BLOCK;
  let most = Math.min(bytes.length, CHUNK.most);
  for (let at = toBlock || TAR_BLOCK; at < most; at += TAR_BLOCK) if (isHeader(bytes, at)) most = at;
  const normal = Math.min(most, CHUNK.normal);
  let hash = 0;
  for (let at = CHUNK.least; at < most; ) {
    hash = ((hash << 1) + GEAR[bytes[at]!]!) | 0;
    const shift = at++ < normal ? BEFORE : AFTER;
    if (hash >>> shift === 0) return at;
  }
  return most;
}

function isHeader(bytes: Buffer, at: number): boolean {
  if (at + TAR_BLOCK > bytes.length) return false;
  const magic = at + TAR_MAGIC.at;
  for (let i = 0; i < TAR_MAGIC.text.length; i++) if (bytes[magic + i] !== TAR_MAGIC.text[i]) return false;
  return true;
}
