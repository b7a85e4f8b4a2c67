import { constants } from "node:fs";
import { copyFile, link, open, stat } from "node:fs/promises";
import { isErrno } from "./errno.ts";

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
  try {
    await link(source, target);
    return;
  } catch (error) {
    if (!isErrno(error, ...NO_LINK)) throw error;
  }
  await take((await stat(source)).size);
  await copyFile(source, target, constants.COPYFILE_EXCL);
  const copy = await open(target, "r+");
  try {
    await copy.sync();
  } finally {
    await copy.close();
  }
}
