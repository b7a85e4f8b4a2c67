import type { Listing } from "./list-volume.ts";

/** A job for the tree worker. `fd` is a directory that the caller holds open until the answer. */
export type TreeJob =
  | { kind: "measure"; fd: number }
  | {
      kind: "list";
      fd: number;
      /** file of the volume's known hashes */
      known: string;
      settledMs: number;
      maxEntries?: number;
      maxDepth?: number;
      maxText?: number;
    };

/** Memory shared by both threads while a job runs: 0 = stop flag, 1 = entries so far, 2 = MiB hashed so far. */
export type TreeState = Int32Array;
export const STOP = 0;
export const ENTRIES = 1;
export const HASHED_MIB = 2;

export type TreeAnswer =
  | { kind: "measured"; size: number; allocated: number; entries: number; truncated: boolean }
  | ({ kind: "listed" } & Listing)
  | { kind: "stopped" }
  | { kind: "failed"; message: string; code?: string };
