import fs from "node:fs";
import { Writable } from "node:stream";
import { promisify } from "node:util";
import { BufferCollector } from "#protocol/buffer-collector.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { Xxh64 } from "../xxh64.ts";

const BATCH_BYTES = 1 * MiB;
/** buffers of one write: below IOV_MAX, and a bound for streams of tiny chunks */
const BATCH_CHUNKS = 512;
const SYNC_BYTES = 256 * MiB;

const fdatasync = promisify(fs.fdatasync);
const writev = (fd: number, buffers: Uint8Array[], position: number | null) =>
  new Promise<number>((resolve, reject) => {
    fs.writev(fd, buffers, position, (error, written) => (error ? reject(error) : resolve(written)));
  });

/** A checksum that is computed while content passes. */
export interface ContentHash {
  update(chunk: Uint8Array): unknown;
  /** the checksum in hex, at its full length */
  hex(): string;
}

export type FileSinkOptions = {
  maxBytes: number;
  /** called before a write of that many bytes; throws to refuse it */
  beforeWrite: (bytes: number) => Promise<void>;
  /** offset of the first byte in the file (default: the descriptor's position) */
  position?: number;
  /** default XXH64 */
  hash?: ContentHash;
};

/**
 * Writes a stream to an open file, and hashes and counts the bytes. Chunks are written immediately, while they are
 * in the processor's cache; chunks that arrive meanwhile are collected without copying for the next write. The file
 * is flushed to disk every 256 MiB in parallel, so that the last fsync has little to do. The file descriptor stays
 * open and belongs to the caller.
 */
export class FileSink extends Writable {
  size = 0;
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #beforeWrite: (bytes: number) => Promise<void>;
  readonly #hash: ContentHash;
  readonly #garbage = new BufferCollector({ wide: true });
  #position: number | null;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #unsynced = 0;
  #busy = false;
  #writing: Promise<void> = Promise.resolve();
  /** the stream's callback that waits until the batch is written */
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

  /** Resolves when no operation uses the file any more, also after errors. Wait for it before closing the file. */
  async idle(): Promise<void> {
    await this.#writing;
    await this.#syncing;
  }

  /**
   * After the stream was cut: brings what it had taken to the file, so that the file has {@link size} bytes of it.
   * @throws what a write does
   */
  async settle(): Promise<void> {
    await this.idle();
    if (this.#failure) throw this.#failure;
    const batch = this.#batch.splice(0);
    const bytes = this.#batchBytes;
    this.#batchBytes = 0;
    if (bytes > 0) await this.#writeAll(batch, bytes);
    await this.idle();
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

  /** Writes batches until there is none or one fails. Never rejects. */
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

  /** Lets the stream continue when the batch that it waited for is written. */
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
          // the kernel reports a failed write-back only once: the last fsync would not report it again
          this.#failure ??= error;
        })
        .finally(() => {
          this.#syncing = undefined;
        });
    }
  }
}

/** The buffers without their first `bytes`, for a short write. */
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
