import fs from "node:fs";
import type { Directory } from "../../files/directory.ts";
import { walkTree } from "../../files/walk-tree.ts";
import { directorySign, type Entries, fileSign } from "./entries.ts";

export type Changes = {
  /** what the directory had then and has no more, or has as another kind of entry */
  gone: string[];
  /** what is as it was then */
  same: Set<string>;
};

/**
 * Compares a directory with what an earlier downlink sent of it; nothing is opened for that.
 * @throws TreeTooLarge, the signal's reason
 */
export async function findChanges(
  directory: Directory,
  before: Entries,
  signal: AbortSignal,
): Promise<Changes> {
  const gone = new Set(before.keys());
  const same = new Set<string>();
  for await (const { kind, parent, name, raw } of walkTree(directory, { signal })) {
    const was = before.get(raw);
    if (was === undefined || was[0] !== kind[0]) continue;
    const stats = fs.lstatSync(parent.at(name), { bigint: true, throwIfNoEntry: false });
    if (stats === undefined || !(stats.isFile() || stats.isDirectory())) continue;
    const now = stats.isFile() ? fileSign(stats) : directorySign(stats);
    if (now[0] !== was[0]) continue;
    gone.delete(raw);
    if (now === was) same.add(raw);
  }
  return { gone: [...gone], same };
}
