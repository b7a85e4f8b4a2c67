import * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { type StagedFile, stagedFile } from "#protocol/operations.ts";

const manifest = z.array(stagedFile).max(LIMITS.uplinkFiles);

/**
 * The files of an uplink with their targets, from its manifest: each path once, the last file of a path counts.
 * @throws PerigeeError INVALID_PARAMETERS for paths that cannot all be files, naming one
 */
export function planOf(files: unknown): StagedFile[] {
  const byPath = new Map<string, StagedFile>();
  for (const file of manifest.parse(files)) {
    checkNames(file.path);
    byPath.set(file.path, file);
  }
  for (const path of byPath.keys()) {
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      if (byPath.has(path.slice(0, at))) {
        throw invalid(path, `${path.slice(0, at)} cannot be both a file and a directory`);
      }
    }
  }
  return [...byPath.values()];
}

function checkNames(path: string): void {
  if (path === "") throw invalid(path, "a file needs a name");
  if (path.split("/").some((name) => Buffer.byteLength(name) > LIMITS.pathNameBytes)) {
    throw invalid(path, `a name is over ${LIMITS.pathNameBytes} bytes`);
  }
}

/** INVALID_PARAMETERS that names the path. */
export function invalid(path: string, why: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", `files: ${JSON.stringify(path)}: ${why}`);
}

/** Every parent directory of the files of the plan. */
export function directoriesOf(plan: readonly StagedFile[]): Set<string> {
  const directories = new Set<string>();
  for (const { path } of plan) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const directory = path.slice(0, end);
      if (directories.has(directory)) break;
      directories.add(directory);
    }
  }
  return directories;
}
