import { Writable } from "node:stream";
import { BufferCollector } from "#protocol/buffer-collector.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import { Xxh64 } from "../xxh64.ts";
import { partBytes, type S3Upload } from "./upload.ts";

const FIRST_BYTES = 64 * KiB;

/**
 * Collects a stream into parts for an {@link S3Upload}, and hashes and counts the bytes. Parts are copied into a few
 * reused buffers, so that memory does not grow with the object; a small object takes little.
 */
export class S3Sink extends Writable {
  size = 0;
  readonly #upload: S3Upload;
  readonly #maxBytes: number;
  readonly #partBytes: number;
  readonly #hash = new Xxh64();
  readonly #garbage = new BufferCollector({ wide: true });
  /** free buffers of the full part size */
  readonly #free: Buffer[] = [];
  #part: Buffer = Buffer.allocUnsafeSlow(0);
  #filled = 0;

  constructor(upload: S3Upload, maxBytes: number) {
    super({ decodeStrings: true, autoDestroy: true });
    this.#upload = upload;
    this.#maxBytes = maxBytes;
    this.#partBytes = partBytes(maxBytes);
  }

  /** XXH64 (seed 0) of what was written so far, 16 hex digits. */
  digest(): string {
    return this.#hash.hex();
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.size += chunk.length;
    if (this.size > this.#maxBytes) {
      callback(new PerigeeError("BODY_TOO_LARGE", `The content is over ${this.#maxBytes} bytes`));
      return;
    }
    this.#hash.update(chunk);
    this.#garbage.received(chunk.length);
    if (this.#filled + chunk.length < this.#partBytes) {
      this.#fill(chunk);
      callback();
    } else this.#take(chunk).then(() => callback(), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#upload.complete(this.#part.subarray(0, this.#filled)).then(() => callback(), callback);
  }

  /** Adds a chunk that completes one or more parts. */
  async #take(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + this.#partBytes - this.#filled);
      this.#fill(piece);
      at += piece.length;
      if (this.#filled < this.#partBytes) continue;
      const part = this.#part;
      this.#upload.part(part, () => this.#free.push(part));
      this.#part = Buffer.allocUnsafeSlow(0);
      this.#filled = 0;
      await this.#upload.room();
    }
  }

  #fill(piece: Uint8Array): void {
    const needed = this.#filled + piece.length;
    if (needed > this.#part.length) {
      const free = this.#free.pop();
      const bytes = Math.min(this.#partBytes, Math.max(FIRST_BYTES, this.#part.length * 2, needed));
      const larger = free ?? Buffer.allocUnsafeSlow(bytes);
      this.#part.copy(larger, 0, 0, this.#filled);
      this.#part = larger;
    }
    this.#part.set(piece, this.#filled);
    this.#filled = needed;
  }
}
