import type { Readable } from "node:stream";
import { MiB } from "#protocol/limits.ts";

export type NewDisk = {
  kind: "ext2" | "fat";
  /** whole MiB; absent: as large as the files need */
  sizeBytes?: number | undefined;
  /** a tar of what is in it at first, and what that takes on the disk; absent: nothing */
  files?: { tar: Readable; bytes: number };
  /** path of the file, which is not there yet */
  to: string;
  signal: AbortSignal;
  /** throws when so many bytes more find no room: before it is made, and again and again while it is */
  assertRoom(bytes: number): void;
};

/** Makes files with a file system in them, without mounting one. */
export type DiskMaker = {
  /** @throws PerigeeError NOT_SUPPORTED where this edge cannot make any now */
  requireTools(): Promise<void>;
  /**
   * Makes one, allocated in full.
   * @throws PerigeeError NOT_SUPPORTED; DATA_TOO_LARGE when the files do not fit; SOURCES_REFUSED when they make no disk;
   * what `assertRoom` throws
   */
  make(disk: NewDisk): Promise<void>;
};

/** Bytes that a disk has about, and rather less, which is as large as files need that take so many. */
export function fittingBytes(bytes: number): number {
  return Math.ceil(1.25 * bytes) + 6 * MiB;
}
