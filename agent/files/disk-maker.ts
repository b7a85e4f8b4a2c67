import type { Readable } from "node:stream";

export type NewDisk = {
  kind: "ext2" | "fat";
  /** whole MiB; absent: as large as the files need */
  sizeBytes?: number | undefined;
  /** a tar of what is in it at first; absent: nothing */
  files?: Readable;
  /** path of the file, which is not there yet */
  to: string;
  signal: AbortSignal;
};

/** Makes files with a file system in them, without mounting one. */
export type DiskMaker = {
  /** @throws PerigeeError NOT_SUPPORTED where this edge cannot make any now */
  requireTools(): Promise<void>;
  /**
   * Makes one, allocated in full.
   * @throws PerigeeError NOT_SUPPORTED; DATA_TOO_LARGE when the files do not fit; SOURCES_REFUSED when they make no disk
   */
  make(disk: NewDisk): Promise<void>;
};
