import fs from "node:fs";
import { Writable } from "node:stream";
import type { Xxh64 } from "@node-rs/xxhash";

/** bytes after which what was written is sent to the disk, while more is received */
const SYNC_BYTES = 32 * 1024 * 1024;
const BUFFERED = 2 * 1024 * 1024;

export type FileSinkOptions = {
  /** where writing goes on */
  position: number;
  /** bytes that the file may have in all */
  size: number;
  /** of what lies before `position` */
  hash: Xxh64;
  /** called with the bytes that the file has now; throws to stop */
  written?: (position: number) => void;
};

/** Writes a stream into an open file and hashes it on the way. The descriptor stays open. */
export class FileSink extends Writable {
  readonly #fd: number;
  readonly #options: FileSinkOptions;
  #position: number;
  #unsynced = 0;
  #syncing = false;

  constructor(fd: number, options: FileSinkOptions) {
    super({ highWaterMark: BUFFERED, decodeStrings: true });
    this.#fd = fd;
    this.#options = options;
    this.#position = options.position;
  }

  get position(): number {
    return this.#position;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#put([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#put(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #put(chunks: Buffer[], done: (error?: Error | null) => void): void {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.#position + length > this.#options.size) {
      done(new RangeError("the staged file is longer than its manifest says"));
      return;
    }
    for (const chunk of chunks) this.#options.hash.update(chunk);
    this.#writeAll(chunks, length, done);
  }

  /** A full disk may take a part: the rest is tried again, and tells the error. */
  #writeAll(chunks: Buffer[], length: number, done: (error?: Error | null) => void): void {
    fs.writev(this.#fd, chunks, this.#position, (error, count) => {
      if (error) {
        done(error);
        return;
      }
      this.#position += count;
      this.#unsynced += count;
      if (count < length) {
        const rest = Buffer.concat(chunks).subarray(count);
        this.#writeAll([rest], rest.length, done);
        return;
      }
      try {
        this.#options.written?.(this.#position);
      } catch (stopped) {
        done(stopped as Error);
        return;
      }
      this.#syncAhead();
      done();
    });
  }

  /** Keeps the disk busy while the network is, so that the last fsync has little left to do. */
  #syncAhead(): void {
    if (this.#syncing || this.#unsynced < SYNC_BYTES) return;
    this.#syncing = true;
    this.#unsynced = 0;
    // its errors come again with the fsync at the end
    fs.fdatasync(this.#fd, () => {
      this.#syncing = false;
      this.emit("synced");
    });
  }

  /** Closing the descriptor under a running fdatasync would let it hit another file. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#syncing) this.once("synced", () => done(error));
    else done(error);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#syncing) this.once("synced", () => done());
    else done();
  }
}
