import fs from "node:fs";
import { KiB, MiB } from "#protocol/limits.ts";
import { type Directory, isErrno } from "../../files/directory.ts";
import { entryName } from "../../files/entry-name.ts";
import { type Listing, listVolume } from "./list-volume.ts";

/** A tree within these bounds is listed in about a millisecond, on any thread. */
const SMALL = { entries: 64, depth: 4, bytes: 256 * KiB };

/** Shared by all calls, which use it synchronously: a new one per call would keep the garbage collector busy. */
const buffer = Buffer.allocUnsafeSlow(SMALL.bytes);

class Grown extends Error {}

/**
 * Lists a small volume on the calling thread: handing it to another thread would take longer than listing it.
 * @returns undefined when it is not small, or grows meanwhile
 */
export function listSmall(
  root: Directory,
  job: { known: string; settledMs: number; maxEntries?: number; maxDepth?: number; maxText?: number },
): Listing | undefined {
  if (!isSmall(root, job.known)) return undefined;
  const check = (_entries: number, hashed: number) => {
    if (hashed > MiB) throw new Grown();
  };
  const maxEntries = Math.min(2 * SMALL.entries, job.maxEntries ?? Number.POSITIVE_INFINITY);
  try {
    const listing = listVolume(root, { ...job, maxEntries, check, buffer });
    return listing.truncated ? undefined : listing;
  } catch (error) {
    if (error instanceof Grown) return undefined;
    throw error;
  }
}

function isSmall(root: Directory, known: string): boolean {
  const table = fs.statSync(known, { throwIfNoEntry: false });
  if (table !== undefined && table.size > SMALL.bytes) return false;
  const left = { entries: SMALL.entries, bytes: SMALL.bytes };
  return fits(root, left, SMALL.depth);
}

/** Subtracts what is beneath `directory` from `left`; false when `left` is not enough. */
function fits(directory: Directory, left: { entries: number; bytes: number }, depth: number): boolean {
  if (depth === 0) return false;
  const entries = directory.openEntries();
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      if (--left.entries < 0) return false;
      const name = entryName(entry.name);
      if (entry.isDirectory()) {
        if (!fitsBeneath(directory, name, left, depth - 1)) return false;
      } else if (entry.isFile()) {
        const stats = fs.lstatSync(directory.at(name), { throwIfNoEntry: false });
        left.bytes -= stats?.size ?? 0;
        if (left.bytes < 0) return false;
      }
    }
    return true;
  } finally {
    entries.closeSync();
  }
}

function fitsBeneath(
  parent: Directory,
  name: string | Buffer,
  left: { entries: number; bytes: number },
  depth: number,
): boolean {
  try {
    using directory = parent.openDirectory(name);
    return fits(directory, left, depth);
  } catch (error) {
    // removed or replaced: the listing shows what is there by then
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return true;
    throw error;
  }
}
