import type Docker from "dockerode";
import { Directory, isErrno } from "../../files/directory.ts";
import { StartFailure } from "../pod-runtime.ts";
import { imagePath } from "./image-path.ts";

const DATA = "/data";

/** A place in the container at which an image's VOLUME would hide a part of the user's volume. */
export type DataVolume = {
  /** where the engine would mount it, absolute */
  target: string;
  /** what of the user's volume belongs there: relative */
  subPath: string;
};

/**
 * The VOLUMEs of an image that lie beneath `/data`. The engine would put an empty directory there; mounted from the
 * user's volume instead, they hide nothing and lose nothing. Pure.
 * @param volumes as the image's configuration has them; a relative one begins at `/`, as for the engine
 */
export function dataVolumes(volumes: readonly string[]): DataVolume[] {
  return [...new Set(volumes.map(imagePath))]
    .filter((target) => target.startsWith(`${DATA}/`))
    .map((target) => ({ target, subPath: target.slice(DATA.length + 1) }));
}

/**
 * The mounts that put the user's own files where the image declares VOLUMEs; directories that are missing are made,
 * writable for any user id. Nobody may make links there meanwhile (`docker-volume-use.ts`); uplinks make none.
 * @throws StartFailure where something else than a file or directory stands
 */
export function dataMounts(volumePath: string, volumes: readonly DataVolume[]): Docker.MountSettings[] {
  return volumes.map(({ target, subPath }) => {
    ensureWithin(volumePath, subPath);
    return {
      Type: "bind",
      Source: `${volumePath}/${subPath}`,
      Target: target,
      BindOptions: { Propagation: "rprivate" },
    };
  });
}

/** No link is followed: the engine mounts by path, and would follow one out of the volume. */
function ensureWithin(volumePath: string, subPath: string): void {
  const refused = () =>
    new StartFailure(`the image's VOLUME ${DATA}/${subPath} is no file or directory in the volume`);
  const names = subPath.split("/");
  let directory: Directory;
  try {
    directory = Directory.open(volumePath);
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
