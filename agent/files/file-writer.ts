import fs from "node:fs";
import { promisify } from "node:util";
import { MiB } from "#protocol/limits.ts";

/** after so many bytes the file is flushed to disk, while more is received */
const SYNC_BYTES = 256 * MiB;

const fdatasync = promisify(fs.fdatasync);
const writev = (fd: number, chunks: readonly Buffer[], position: number) =>
  new Promise<number>((resolve, reject) => {
    fs.writev(fd, chunks, position, (error, count) => (error ? reject(error) : resolve(count)));
  });

export type FileWriterOptions = {
  /** offset of the next write */
  position: number;
  /** length of the whole file in bytes */
  size: number;
  /** of the bytes before `position` */
  hash: { update(chunk: Buffer): unknown };
  /** called with the present length of the file; throws to stop */
  written?: (position: number) => void;
};

/** Writes into an open file and hashes what it writes. The descriptor stays open. */
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
   * Call it again only when the previous call has ended.
   * @throws RangeError, before it writes anything, for bytes beyond the size
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
      // A full disk may take a part; writing the rest then fails with the error
      if (left > 0) rest = [Buffer.concat(rest).subarray(count)];
    }
    this.#options.written?.(this.#position);
    this.#syncAhead();
  }

  /** Makes what was written durable, as far as that works: the fsync at the end reports its errors again. */
  async sync(): Promise<void> {
    await this.#syncing;
    this.#startSync();
    await this.#syncing;
  }

  /** Resolves when no operation uses the descriptor any more: only then it may be closed. */
  async idle(): Promise<void> {
    await this.#syncing;
  }

  /** Flushes while more is received, so that the last fsync has little left to do. */
  #syncAhead(): void {
    if (!this.#syncing && this.#unsynced >= SYNC_BYTES) this.#startSync();
  }

  #startSync(): void {
    this.#unsynced = 0;
    this.#syncing = fdatasync(this.#fd)
      .catch(() => {})
      .finally(() => {
        this.#syncing = undefined;
      });
  }
}
