import { statfs } from "node:fs/promises";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";

const STRIDE = 16 * MiB;
const FRESH_MS = 1000;

/**
 * Guards the free-space floor of a file system. The free space is read again after every 16 MiB that were granted and
 * when the last value is over a second old, not for every chunk; all writers of one guard share the value.
 */
export class FreeSpace {
  readonly #path: string;
  readonly #floor: number;
  #left = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  /** `floor`: bytes that must stay free. */
  constructor(path: string, floor: number) {
    this.#path = path;
    this.#floor = floor;
  }

  /**
   * Call before writing `bytes` more.
   * @throws PerigeeError STORAGE_FULL when that would go below the floor
   */
  async take(bytes: number): Promise<void> {
    if (bytes > this.#left || performance.now() - this.#readAt > FRESH_MS) {
      const { bavail, bsize } = await statfs(this.#path);
      const left = bavail * bsize - this.#floor;
      if (left < bytes || left <= 0) throw storageFull();
      this.#left = Math.min(left, Math.max(STRIDE, bytes));
      this.#readAt = performance.now();
    }
    this.#left -= bytes;
  }
}

export function storageFull(cause?: unknown): PerigeeError {
  return new PerigeeError("STORAGE_FULL", "Ground storage is full", { cause });
}
