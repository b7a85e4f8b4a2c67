import { constants, type FileHandle, open } from "node:fs/promises";
import { CliFailure } from "../failure.ts";
import type { LocalFile } from "./collect.ts";

/**
 * Opens a file that was found earlier. It may have been replaced since, so this checks that it is still a regular
 * file of the size that was announced.
 * @throws CliFailure LOCAL_FILE
 */
export async function openAgain(file: LocalFile): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (file.follow ? 0 : constants.O_NOFOLLOW);
  let handle: FileHandle;
  try {
    handle = await open(file.source, flags);
  } catch (error) {
    throw new CliFailure("LOCAL_FILE", `cannot read ${file.source}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const stat = await handle.stat();
  if (stat.isFile() && stat.size === file.size) return handle;
  await handle.close();
  throw changed(file);
}

export function changed(file: LocalFile): CliFailure {
  return new CliFailure("LOCAL_FILE", `${file.source} changed while it was sent`, {
    hint: "nothing was uplinked; run the same command again",
  });
}
