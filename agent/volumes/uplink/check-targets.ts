import type { StagedFile } from "#protocol/operations.ts";
import { type Directory, isErrno } from "../../files/directory.ts";
import { illegal, openStep } from "../../files/open-beneath.ts";
import { invalid } from "./plan.ts";

/**
 * Checks that every file of the plan can be put at its target. Returns the bytes that would be replaced.
 * @throws PerigeeError ILLEGAL_PATH for a link at or on the way to a target, INVALID_PARAMETERS when a target
 * is a directory, or when a file is where a directory has to be
 */
export function checkTargets(root: Directory, plan: readonly StagedFile[]): number {
  let replaced = 0;
  for (const { path } of plan) {
    const components = path.split("/");
    const name = components.pop() as string;
    let parent = root.duplicate();
    try {
      let there = true;
      for (const component of components) {
        const next = step(parent, component, path);
        if (next === undefined) {
          there = false;
          break;
        }
        parent.close();
        parent = next;
      }
      if (there) replaced += checkTarget(parent, name, path);
    } finally {
      parent.close();
    }
  }
  return replaced;
}

function step(parent: Directory, name: string, path: string): Directory | undefined {
  try {
    return openStep(parent, name, path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (isErrno(error, "ENOTDIR")) throw invalid(path, `${name} is not a directory`);
    throw error;
  }
}

function checkTarget(parent: Directory, name: string, path: string): number {
  try {
    const stats = parent.lstat(name);
    if (stats.isSymbolicLink()) throw illegal(path);
    if (stats.isDirectory()) throw invalid(path, "there is a directory of that name");
    return stats.blocks * 512;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return 0;
    throw error;
  }
}
