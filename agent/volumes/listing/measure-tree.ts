import fs, { type Dirent } from "node:fs";
import { LIMITS } from "#protocol/limits.ts";
import { type Directory, isErrno } from "../../files/directory.ts";
import { entryName } from "../../files/entry-name.ts";

export type Measure = {
  /** sum of the files' lengths, as a listing shows it */
  size: number;
  /**
   * bytes on disk, including directories, without holes; a file with several names counts once, and every entry at
   * least {@link ENTRY_BYTES}
   */
  allocated: number;
  entries: number;
  /** a part too deep to be entered is missing */
  truncated: boolean;
};

/** What an entry counts at least: empty files take no blocks, but inodes, whose number is limited too. */
export const ENTRY_BYTES = 4096;

/** Measures everything beneath `root`. Synchronous: call it in a worker. `check` throws to stop. */
export function measureTree(root: Directory, check: (entries: number) => void): Measure {
  const measure: Measure = { size: 0, allocated: 0, entries: 0, truncated: false };
  const shared = new Set<string>();
  const levels: { directory: Directory; todo: Dirent[] }[] = [];

  const enter = (directory: Directory) => {
    const todo: Dirent[] = [];
    levels.push({ directory, todo });
    for (const entry of directory.rawEntries()) {
      if ((++measure.entries & 127) === 0) check(measure.entries);
      const stats = fs.lstatSync(directory.at(entryName(entry.name)), { throwIfNoEntry: false });
      if (stats === undefined) continue;
      if (stats.isDirectory()) todo.push(entry);
      else if (stats.isFile()) measure.size += stats.size;
      if (stats.nlink > 1 && !stats.isDirectory()) {
        const id = `${stats.dev}:${stats.ino}`;
        if (shared.has(id)) continue;
        shared.add(id);
      }
      measure.allocated += Math.max(stats.blocks * 512, ENTRY_BYTES);
    }
  };

  try {
    enter(root.duplicate());
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      const entry = top.todo.pop();
      if (entry === undefined) {
        levels.pop()?.directory.close();
        continue;
      }
      if (levels.length >= LIMITS.measuredDepth) {
        measure.truncated = true;
        continue;
      }
      try {
        enter(top.directory.openDirectory(entryName(entry.name)));
      } catch (error) {
        if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error;
      }
    }
  } finally {
    for (const { directory } of levels) directory.close();
  }
  return measure;
}
