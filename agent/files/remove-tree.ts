import fs, { type Dirent } from "node:fs";
import { type Directory, isErrno } from "./directory.ts";
import { type EntryName, entryName } from "./entry-name.ts";

const BATCH = 64;
/** Passes over a directory to which a process keeps adding entries, before we give up. */
const PASSES = 1000;

/**
 * Removes `name` in `holder` with everything in it; a missing `name` is no error. No link is followed. Any depth
 * needs two descriptors and no recursion: subdirectories are first moved up into `holder`, which therefore must
 * be a directory that no pod can reach. When it is interrupted it leaves `name` and names beginning with `name~`:
 * remove those too.
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
              // left by a removal that was interrupted
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

/** Removes an entry that is not a directory; false when it is one. */
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
      // awaited even when all are directories, so that the event loop runs between batches
      await Promise.all(
        batch.map(async (entry) => {
          const child = entryName(entry.name);
          if (entry.isDirectory()) return void liftIfThere(lift, child);
          try {
            await fs.promises.unlink(directory.at(child));
          } catch (error) {
            // replaced meanwhile: the next pass sees the new entry
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
