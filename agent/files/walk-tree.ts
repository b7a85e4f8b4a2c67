import fs, { type Dirent } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { LIMITS } from "#protocol/limits.ts";
import { type Directory, isErrno } from "./directory.ts";
import { decodeName, type EntryName, entryName } from "./entry-name.ts";

export type WalkEntry = {
  /** the entry's directory; open only until the next step of the walk */
  parent: Directory;
  name: EntryName;
  /** for people: relative to the root, `/` between components, names that are not UTF-8 escaped */
  path: string;
  /** the same with one character per byte, without loss */
  raw: string;
  kind: "file" | "directory" | "symlink" | "other";
};

export type WalkOptions = {
  signal?: AbortSignal;
  /**
   * Is the entry wanted? A directory that is not wanted is not entered either, unless the answer is `"enter"`: then
   * its contents are asked for. Default: everything is wanted.
   */
  filter?: (path: string, kind: WalkEntry["kind"], raw: string) => boolean | "enter";
  /** default LIMITS.listEntries */
  maxEntries?: number;
  /** default LIMITS.listDepth */
  maxDepth?: number;
};

/** The tree has more entries, or is deeper, than the walk's bounds allow. */
export class TreeTooLarge extends Error {
  override readonly name = "TreeTooLarge";
}

type Level = { directory: Directory; prefix: string; rawPrefix: string; entries: Dirent[]; next: number };

/**
 * Everything beneath `root`, parents before children, siblings sorted bytewise. Links are not followed, and entries
 * that vanish meanwhile are skipped. `root` stays open and is not itself an entry.
 * @throws TreeTooLarge, the signal's reason
 */
export async function* walkTree(root: Directory, options: WalkOptions = {}): AsyncGenerator<WalkEntry> {
  const { signal, filter, maxEntries = LIMITS.listEntries, maxDepth = LIMITS.listDepth } = options;
  const levels: Level[] = [await level(root.duplicate(), "", "")];
  let count = 0;
  try {
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      const dirent = top.entries[top.next++];
      if (dirent === undefined) {
        levels.pop()?.directory.close();
        continue;
      }
      signal?.throwIfAborted();
      if (++count > maxEntries) throw new TreeTooLarge(`more than ${maxEntries} entries`);
      if (count % 1000 === 0) await setImmediate();
      const kind = kindOf(dirent);
      const path = top.prefix + decodeName(dirent.name).text;
      const raw = top.rawPrefix + dirent.name;
      const wanted = filter?.(path, kind, raw) ?? true;
      if (!wanted) continue;
      const name = entryName(dirent.name);
      if (wanted !== "enter") yield { parent: top.directory, name, path, raw, kind };
      if (kind !== "directory") continue;
      if (levels.length >= maxDepth) throw new TreeTooLarge(`deeper than ${maxDepth} directories`);
      const directory = tryOpen(top.directory, name);
      if (directory !== undefined) levels.push(await level(directory, `${path}/`, `${raw}/`));
    }
  } finally {
    for (const { directory } of levels) directory.close();
  }
}

async function level(directory: Directory, prefix: string, rawPrefix: string): Promise<Level> {
  try {
    const entries = await fs.promises.readdir(directory.path, { withFileTypes: true, encoding: "latin1" });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { directory, prefix, rawPrefix, entries, next: 0 };
  } catch (error) {
    directory.close();
    throw error;
  }
}

function tryOpen(parent: Directory, name: EntryName): Directory | undefined {
  try {
    return parent.openDirectory(name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

function kindOf(dirent: Dirent): WalkEntry["kind"] {
  if (dirent.isFile()) return "file";
  if (dirent.isDirectory()) return "directory";
  return dirent.isSymbolicLink() ? "symlink" : "other";
}
