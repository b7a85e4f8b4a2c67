import fs from "node:fs";
import { promisify } from "node:util";
import type { Xxh64 } from "@node-rs/xxhash";
import { MiB } from "#protocol/limits.ts";

/** bytes after which what was written is sent to the disk, while more is received */
const SYNC_BYTES = 256 * MiB;

const fdatasync = promisify(fs.fdatasync);
const writev = (fd: number, chunks: readonly Buffer[], position: number) =>
  new Promise<number>((resolve, reject) => {
    fs.writev(fd, chunks, position, (error, count) => (error ? reject(error) : resolve(count)));
  });

export type FileWriterOptions = {
  /** where writing goes on */
  position: number;
  /** bytes that the file may have in all */
  size: number;
  /** of what lies before `position` */
  hash: Xxh64;
  /** called with the bytes that the file has now; throws to stop */
  written?: (position: number) => void;
};

/** Writes into an open file and hashes on the way. The descriptor stays open. */
export class FileWriter {
  readonly #fd: number;
  readonly #options: FileWriterOptions;
  #position: number;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;

  constructor(fd: number, options: FileWriterOptions) {
    this.#fd = fd;
    this.#options = options;
    this.#position = options.position;
  }

  get position(): number {
    return this.#position;
  }

  /**
   * One call after the other.
   * @throws RangeError before writing what would go past the size
   */
  async write(chunks: readonly Buffer[]): Promise<void> {
    let left = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.#position + left > this.#options.size) {
      throw new RangeError("the staged file is longer than its manifest says");
    }
    for (const chunk of chunks) this.#options.hash.update(chunk);
    let rest = chunks;
    while (left > 0) {
      const count = await writev(this.#fd, rest, this.#position);
      this.#position += count;
      this.#unsynced += count;
      left -= count;
      // A full disk may take a part: the rest is tried again, and tells the error
      if (left > 0) rest = [Buffer.concat(rest).subarray(count)];
    }
    this.#options.written?.(this.#position);
    this.#syncAhead();
  }

  /** Resolves when nothing touches the file any more: closed before, its descriptor might be another file's. */
  async idle(): Promise<void> {
    await this.#syncing;
  }

  /** Keeps the disk busy while the network is, so that the last fsync has little left to do. */
  #syncAhead(): void {
    if (this.#syncing || this.#unsynced < SYNC_BYTES) return;
    this.#unsynced = 0;
    this.#syncing = fdatasync(this.#fd)
      // its errors come again with the fsync at the end
      .catch(() => {})
      .finally(() => {
        this.#syncing = undefined;
      });
  }
}
