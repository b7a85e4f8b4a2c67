import { constants } from "node:fs";
import { copyFile, link, open, stat } from "node:fs/promises";
import { isErrno } from "./errno.ts";

/**
 * A file that is replaced between being found and being named again has lost its last name: Linux says ENOENT, as of one
 * that is not there. So often it is tried.
 */
const TRIES = 100;
/** What file systems say that have no hard links, or no more of them for this file. */
const NO_LINK = ["EPERM", "EXDEV", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/**
 * Makes `target` another name of a file that is never written again; where the file system cannot, a durable copy.
 * @param take called with the bytes of a copy before it is made; what it throws ends it
 */
export async function linkOrCopy(
  source: string,
  target: string,
  take: (bytes: number) => Promise<void>,
): Promise<void> {
  if (await linked(source, target)) return;
  await take((await stat(source)).size);
  await copyFile(source, target, constants.COPYFILE_EXCL);
  const copy = await open(target, "r+");
  try {
    await copy.sync();
  } finally {
    await copy.close();
  }
}

/** @returns false where there can be no second name */
async function linked(source: string, target: string): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      await link(source, target);
      return true;
    } catch (error) {
      if (isErrno(error, ...NO_LINK)) return false;
      if (!isErrno(error, "ENOENT") || tries === TRIES) throw error;
      // it throws when the file is really missing
      await stat(source);
    }
  }
}
