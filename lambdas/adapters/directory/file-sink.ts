import fs from "node:fs";
import { Writable } from "node:stream";
import { promisify } from "node:util";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { BufferCollector } from "../buffer-collector.ts";
import { Xxh64 } from "../xxh64.ts";

const BATCH_BYTES = 1 * MiB;
/** under IOV_MAX, and a bound for streams of tiny chunks */
const BATCH_CHUNKS = 512;
const SYNC_BYTES = 256 * MiB;

const fdatasync = promisify(fs.fdatasync);
const writev = (fd: number, buffers: Uint8Array[], position: number | null) =>
  new Promise<number>((resolve, reject) => {
    fs.writev(fd, buffers, position, (error, written) => (error ? reject(error) : resolve(written)));
  });

/** A checksum that is taken while content goes by. */
export interface ContentHash {
  update(chunk: Uint8Array): unknown;
  /** hex digits, of the length that the checksum has */
  hex(): string;
}

export type FileSinkOptions = {
  maxBytes: number;
  /** may refuse a write of that many bytes by throwing */
  beforeWrite: (bytes: number) => Promise<void>;
  /** where in the file the first byte goes (default: where the descriptor stands) */
  position?: number;
  /** default XXH64 */
  hash?: ContentHash;
};

/**
 * Writes a stream to an open file, hashing and counting on the way. What has come in is written at once, while
 * it is in the processor's cache, and what comes in meanwhile is gathered, not copied, for the next write. The
 * file is flushed to disk every 256 MiB beside the writing, so that the last fsync finds little to do. The
 * file descriptor stays open and the owner's.
 */
export class FileSink extends Writable {
  size = 0;
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #beforeWrite: (bytes: number) => Promise<void>;
  readonly #hash: ContentHash;
  readonly #garbage = new BufferCollector();
  #position: number | null;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #unsynced = 0;
  #busy = false;
  #writing: Promise<void> = Promise.resolve();
  /** waits for the batch to be taken */
  #taken: ((error?: Error | null) => void) | undefined;
  #syncing: Promise<void> | undefined;
  #failure: unknown;

  constructor(fd: number, options: FileSinkOptions) {
    super({ highWaterMark: BATCH_BYTES, decodeStrings: true, autoDestroy: true });
    this.#fd = fd;
    this.#maxBytes = options.maxBytes;
    this.#beforeWrite = options.beforeWrite;
    this.#position = options.position ?? null;
    this.#hash = options.hash ?? new Xxh64();
  }

  /** The checksum of what was written so far, in hex. */
  digest(): string {
    return this.#hash.hex();
  }

  /** Resolves when nothing touches the file any more, whatever came before; needed before it is closed. */
  async idle(): Promise<void> {
    await this.#writing;
    await this.#syncing;
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.size += chunk.length;
    if (this.size > this.#maxBytes) {
      callback(new PerigeeError("BODY_TOO_LARGE", `The content is over ${this.#maxBytes} bytes`));
      return;
    }
    this.#hash.update(chunk);
    this.#garbage.received(chunk.length);
    this.#batch.push(chunk);
    this.#batchBytes += chunk.length;
    if (!this.#busy) this.#writing = this.#drain();
    if (this.#failure) callback(this.#failure as Error);
    else if (this.#batchBytes < BATCH_BYTES && this.#batch.length < BATCH_CHUNKS) callback();
    else this.#taken = callback;
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.idle().then(() => callback(this.#failure as Error | undefined), callback);
  }

  /** Writes batch after batch until there is none or one fails. Never rejects. */
  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#batchBytes > 0 && !this.#failure && !this.destroyed) {
      const batch = this.#batch;
      const bytes = this.#batchBytes;
      this.#batch = [];
      this.#batchBytes = 0;
      this.#more();
      try {
        await this.#writeAll(batch, bytes);
      } catch (error) {
        this.#failure ??= error;
      }
    }
    this.#busy = false;
    this.#more();
  }

  /** Goes on with the stream when the batch that held it up was taken. */
  #more(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.(this.#failure as Error | undefined);
  }

  async #writeAll(batch: Uint8Array[], bytes: number): Promise<void> {
    await this.#beforeWrite(bytes);
    let rest = batch;
    for (let left = bytes; left > 0; ) {
      const written = await writev(this.#fd, rest, this.#position);
      if (this.#position !== null) this.#position += written;
      left -= written;
      if (left > 0) rest = skip(rest, written);
    }
    this.#unsynced += bytes;
    if (this.#unsynced >= SYNC_BYTES && !this.#syncing) {
      this.#unsynced = 0;
      this.#syncing = fdatasync(this.#fd)
        .catch((error) => {
          // the kernel tells of a failed write-back once: the last fsync would not see it again
          this.#failure ??= error;
        })
        .finally(() => {
          this.#syncing = undefined;
        });
    }
  }
}

/** The buffers without their first `bytes`: a write may be short. */
function skip(buffers: Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (left >= buffer.length) left -= buffer.length;
    else {
      rest.push(buffer.subarray(left));
      left = 0;
    }
  }
  return rest;
}
