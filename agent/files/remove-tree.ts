import fs, { type Dirent } from "node:fs";
import { type Directory, isErrno } from "./directory.ts";
import { type EntryName, entryName } from "./entry-name.ts";

const BATCH = 64;
/** A process that still has the directory open may add to it as we empty it; it will not win for ever. */
const PASSES = 1000;

/**
 * Removes `name` in `holder` and everything in it; nothing there is no error. No link is followed. Any depth
 * takes two descriptors and no stack: subdirectories are first moved up into `holder`, which therefore must
 * be a directory that no pod can reach. Cut short, it leaves `name` and names beginning with `name~`: remove
 * those too.
 * @throws the signal's reason; ENOTEMPTY when a process keeps filling a directory
 */
export async function removeTree(holder: Directory, name: string, signal?: AbortSignal): Promise<void> {
  let counter = 0;
  const todo = [name];
  for (let current = todo.pop(); current !== undefined; current = todo.pop()) {
    signal?.throwIfAborted();
    if (await removeOther(holder, current)) continue;
    for (let pass = 0; ; pass++) {
      const directory = openOrUndefined(holder, current);
      if (directory === undefined) break;
      try {
        await empty(directory, signal, (child) => {
          for (;;) {
            const lifted = `${name}~${counter++}`;
            try {
              directory.rename(child, holder, lifted);
              todo.push(lifted);
              return;
            } catch (error) {
              // left over from a removal that was cut
              if (!isErrno(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) throw error;
            }
          }
        });
      } finally {
        directory.close();
      }
      try {
        holder.removeDirectory(current);
        break;
      } catch (error) {
        if (isErrno(error, "ENOENT")) break;
        if (!isErrno(error, "ENOTEMPTY", "EEXIST") || pass >= PASSES) throw error;
      }
    }
  }
}

/** Removes an entry that is no directory; false when it is one. */
async function removeOther(holder: Directory, name: string): Promise<boolean> {
  try {
    await fs.promises.unlink(holder.at(name));
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    if (isErrno(error, "EISDIR", "EPERM")) return false;
    throw error;
  }
}

async function empty(
  directory: Directory,
  signal: AbortSignal | undefined,
  lift: (child: EntryName) => void,
): Promise<void> {
  const entries = directory.openEntries();
  try {
    for (;;) {
      signal?.throwIfAborted();
      const batch: Dirent[] = [];
      while (batch.length < BATCH) {
        const entry = entries.readSync();
        if (entry === null) break;
        batch.push(entry);
      }
      if (batch.length === 0) return;
      // awaited even when all are directories: the event loop turns between batches
      await Promise.all(
        batch.map(async (entry) => {
          const child = entryName(entry.name);
          if (entry.isDirectory()) return void liftIfThere(lift, child);
          try {
            await fs.promises.unlink(directory.at(child));
          } catch (error) {
            // swapped meanwhile: the next pass sees what it is now
            if (!isErrno(error, "ENOENT", "EISDIR", "EPERM")) throw error;
          }
        }),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    entries.closeSync();
  }
}

function liftIfThere(lift: (child: EntryName) => void, child: EntryName): void {
  try {
    lift(child);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

function openOrUndefined(holder: Directory, name: string): Directory | undefined {
  try {
    return holder.openDirectory(name);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
