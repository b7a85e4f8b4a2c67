import { Readable } from "node:stream";
import { Xxh64 } from "@node-rs/xxhash";

/** Bytes that can be read again from any offset: what is sent in parts. */
export type RangedSource = {
  readonly size: number;
  /**
   * Stands for exactly these bytes, also after a restart of the agent: a transfer goes on only under the same pin.
   * A file's is its etag, that of anything else a hash of the content.
   */
  readonly pin: string;
  /** The caller reads the stream to its end or destroys it. */
  read(start: number, length: number): Readable;
  /** @throws SourceChanged when the bytes may not be those of the pin any more */
  check?(): void;
  /** told how many bytes are sent */
  sent?(bytes: number): void;
};

/** The bytes are others than when the sending began: it has to begin anew. */
export class SourceChanged extends Error {
  override readonly name = "SourceChanged";
}

/** Bytes in memory as a source. */
export function bytesSource(chunks: readonly Uint8Array[]): RangedSource {
  const hash = new Xxh64();
  let size = 0;
  for (const chunk of chunks) {
    hash.update(chunk);
    size += chunk.length;
  }
  return {
    size,
    pin: contentPin(hash.digest(), size),
    read: (start, length) => Readable.from(slices(chunks, start, start + length), { objectMode: false }),
  };
}

/** The pin of content with that XXH64. */
export function contentPin(xxh64: bigint, size: number): string {
  return `${xxh64.toString(36)}-${size.toString(36)}`;
}

function* slices(chunks: readonly Uint8Array[], start: number, end: number): Generator<Uint8Array> {
  let at = 0;
  for (const chunk of chunks) {
    if (at >= end) return;
    const from = Math.max(0, start - at);
    if (from < chunk.length) yield chunk.subarray(from, end - at);
    at += chunk.length;
  }
}
