import { KiB } from "../limits.ts";
import { GEAR } from "./gear.ts";

/**
 * Bytes of a chunk; the last one of a content may be shorter. Smaller ones cost more in the list than they save where a
 * file of 100 MB has changed in ten places; larger ones the other way round.
 */
export const CHUNK = { least: 2 * KiB, normal: 8 * KiB, most: 32 * KiB };

/** How content is cut. Who cuts otherwise, by other sizes or numbers, has another name for it. */
export const CHUNKER = "gear-2";

/**
 * How many of the hash's upper bits must be zero at a cut: two more than log2(normal) up to the normal size, two fewer
 * after it.
 */
const BEFORE = 32 - 15;
const AFTER = 32 - 11;

/**
 * Cuts content where it says so itself, as FastCDC does (Xia and others, USENIX ATC 2016): a gear hash of the last 32
 * bytes, no cut and no hash below the least size, normalized sizes. A change moves only the cuts near it.
 */
export class Chunker {
  #hash = 0;
  /** of the chunk that has begun */
  #length = 0;

  /** Takes more of the content; `cut` is told where in `bytes` each chunk ends. */
  push(bytes: Uint8Array, cut: (end: number) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#length < CHUNK.least) {
        const skipped = Math.min(CHUNK.least - this.#length, bytes.length - at);
        this.#length += skipped;
        at += skipped;
        continue;
      }
      const normal = this.#length >= CHUNK.normal;
      const room = (normal ? CHUNK.most : CHUNK.normal) - this.#length;
      const end = scan(bytes, at, Math.min(bytes.length, at + room), normal ? AFTER : BEFORE, this.#hash);
      this.#hash = end.hash;
      this.#length += end.at - at;
      at = end.at;
      if (!end.found && this.#length < CHUNK.most) continue;
      this.#hash = 0;
      this.#length = 0;
      cut(at);
    }
  }
}

function scan(bytes: Uint8Array, from: number, to: number, shift: number, before: number) {
  let hash = before;
  for (let at = from; at < to; ) {
    hash = ((hash << 1) + GEAR[bytes[at++]!]!) | 0;
    if (hash >>> shift === 0) return { at, hash, found: true };
  }
  return { at: to, hash, found: false };
}
