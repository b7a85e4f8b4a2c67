import { statfsSync } from "node:fs";
import { PerigeeError } from "#protocol/errors.ts";
import { isErrno } from "./directory.ts";

/** Bytes free on the file system of a directory. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** STORAGE_FULL where nothing more may be written, so that the edge can go on. */
export function atFreeSpaceFloor(): PerigeeError {
  return new PerigeeError("STORAGE_FULL", "The edge's disk is at its free-space floor");
}

/** What a write failed with: STORAGE_FULL where the disk has no more room, else the error itself. */
export function diskFullOr(error: unknown): unknown {
  return isErrno(error, "ENOSPC", "EDQUOT")
    ? new PerigeeError("STORAGE_FULL", "The edge's disk is full", { cause: error })
    : error;
}
