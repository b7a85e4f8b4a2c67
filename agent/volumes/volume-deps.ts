import type { Readable } from "node:stream";
import type { Budget } from "../budget/budget.ts";

/** What the operations on volumes ask of the agent's other parts. */
export type VolumeDeps = {
  /** Does a pod that has not terminated use the volume? */
  isVolumeInUse(user: string, volume: string): boolean | Promise<boolean>;
  /** gives out the user's quota */
  budget: Budget;
  /** makes disks, where the edge can */
  disks?: DiskMaker;
};

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
