import type { Dirent } from "node:fs";
import { lstat, mkdir, readdir, rename, rmdir, unlink } from "node:fs/promises";
import { CliFailure } from "../failure.ts";
import { below, entryParts, shown } from "../files/unpack-into.ts";

const ARCHIVE = { kind: "tar", hint: "run the command again" } as const;

/**
 * Moves every file beneath `from` to its place beneath `to`, in place of a file or link that is there. No link in `to`
 * is followed. May be repeated.
 * @returns the paths that were put in place, one character per byte
 * @throws CliFailure LOCAL_FILE where a directory is in the way of a file
 */
export async function mergeInto(from: string, to: string): Promise<Set<string>> {
  const merged = new Set<string>();
  const move = async (parts: string[]): Promise<void> => {
    const source = below(from, parts);
    const entries = (await readdir(source, { withFileTypes: true, encoding: "latin1" as never })) as Dirent[];
    for (const entry of entries) {
      const at = [...parts, entry.name];
      merged.add(at.join("/"));
      const target = below(to, at);
      const there = await lstat(target).catch(() => undefined);
      if (entry.isDirectory()) {
        if (there && !there.isDirectory()) await unlink(target);
        if (!there?.isDirectory()) await mkdir(target);
        await move(at);
      } else if (there?.isDirectory()) {
        throw inTheWay(target);
      } else await rename(below(from, at), target);
    }
  };
  await move([]);
  return merged;
}

/**
 * Removes a path that the edge said to be gone; a directory only when nothing is in it. No link is followed on the way.
 * @returns whether it is gone here too
 * @throws CliFailure BAD_ANSWER for a path that leads out of the directory
 */
export async function removeGone(root: string, path: string): Promise<boolean> {
  const parts = entryParts(Buffer.from(path, "latin1"), ARCHIVE);
  if (parts.length === 0) return true;
  for (let i = 1; i < parts.length; i++) {
    const parent = await lstat(below(root, parts.slice(0, i))).catch(() => undefined);
    if (!parent?.isDirectory()) return true;
  }
  const target = below(root, parts);
  const there = await lstat(target).catch(() => undefined);
  if (there === undefined) return true;
  try {
    if (!there.isDirectory()) await unlink(target);
    else if (path.endsWith("/")) await rmdir(target);
    return !there.isDirectory() || path.endsWith("/");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw error;
  }
}

function inTheWay(path: Buffer): CliFailure {
  return new CliFailure("LOCAL_FILE", `${shown(path)} is a directory here and a file on the edge`, {
    hint: "with --delete it goes when nothing else is in it; or move it away",
  });
}
