import { Directory, isErrno } from "../files/directory.ts";
import { StartFailure } from "./pod-runtime.ts";

/**
 * Makes the directories of a path in a volume that are missing, writable for any user id. No link is followed: what
 * mounts by path would follow one out of the volume.
 * @param place host path of the volume, the path in it, and what users know it by
 * @throws StartFailure where something else than a file or directory stands
 */
export function ensureSubPath(place: { path: string; subPath: string; name: string }): void {
  const { path, subPath, name: called } = place;
  const refused = () => new StartFailure(`${called} is no file or directory in the volume`);
  const names = subPath.split("/");
  let directory: Directory;
  try {
    directory = Directory.open(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw new StartFailure("the volume does not exist", { cause: error });
    throw error;
  }
  try {
    for (const [n, name] of names.entries()) {
      if (n === names.length - 1 && isFile(directory, name)) return;
      const next = directory.makeDirectory(name);
      directory.close();
      directory = next;
    }
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ELOOP", "ENAMETOOLONG") || error instanceof TypeError) throw refused();
    throw error;
  } finally {
    directory.close();
  }
}

function isFile(directory: Directory, name: string): boolean {
  try {
    return directory.lstat(name).isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
