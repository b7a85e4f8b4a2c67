import { posix } from "node:path";
import type Docker from "dockerode";
import { Directory, isErrno } from "../files/directory.ts";
import { StartFailure } from "./pod-runtime.ts";

const DATA = "/data";
const MOST_LINKS = 40;

/** A place in the container at which an image's VOLUME would hide a part of the user's volume. */
export type DataVolume = {
  /** where the engine would mount it, absolute */
  target: string;
  /** what of the user's volume belongs there: relative, "" for all of it */
  subPath: string;
};

/**
 * The VOLUMEs of an image that lie beneath `/data`, or are it under another name. The engine would put an empty
 * directory there; mounted from the user's volume instead, they hide nothing and lose nothing.
 * @param linkOf where the link at a path of the image leads (absolute, links in it followed); undefined for what is none
 */
export async function dataVolumes(
  volumes: readonly string[],
  linkOf: (path: string) => Promise<string | undefined>,
): Promise<DataVolume[]> {
  const found = new Map<string, string>();
  for (const volume of volumes) {
    const target = posix.join("/", volume).replace(/(?<=.)\/$/, "");
    const place = isWithin(target, DATA) ? target : await resolved(target, linkOf);
    if (target !== DATA && isWithin(place, DATA)) found.set(target, place.slice(DATA.length + 1));
  }
  return [...found].map(([target, subPath]) => ({ target, subPath }));
}

/** `linkOf` of a container that was made from the image and is not running. */
export function linksIn(container: Docker.Container): (path: string) => Promise<string | undefined> {
  return async (path) => {
    try {
      const answer = (await container.infoArchive({ path })) as {
        headers: Record<string, string | undefined>;
      };
      const stat = answer.headers["x-docker-container-path-stat"] ?? "";
      const { linkTarget } = JSON.parse(Buffer.from(stat, "base64").toString()) as { linkTarget?: string };
      return linkTarget || undefined;
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode === 404) return undefined;
      throw error;
    }
  };
}

/**
 * The mounts that put the user's own files where the image declares VOLUMEs; directories that are missing are made,
 * writable for any user id. Nobody else writes there: the pod is not started yet, and uplinks make no links.
 * @throws StartFailure where something else than a file or directory stands
 */
export function dataMounts(volumePath: string, volumes: readonly DataVolume[]): Docker.MountSettings[] {
  return volumes.map(({ target, subPath }) => {
    ensureWithin(volumePath, subPath);
    return {
      Type: "bind",
      Source: subPath === "" ? volumePath : `${volumePath}/${subPath}`,
      Target: target,
      BindOptions: { Propagation: "rprivate" },
    };
  });
}

/** No link is followed: the engine mounts by path, and would follow one out of the volume. */
function ensureWithin(volumePath: string, subPath: string): void {
  const refused = () =>
    new StartFailure(`the image's VOLUME ${DATA}/${subPath} is no file or directory in the volume`);
  const names = subPath === "" ? [] : subPath.split("/");
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

async function resolved(
  path: string,
  linkOf: (path: string) => Promise<string | undefined>,
  depth = 0,
): Promise<string> {
  const names = path.split("/").slice(1);
  for (let n = 1; n <= names.length; n++) {
    const target = await linkOf(`/${names.slice(0, n).join("/")}`);
    if (target === undefined) continue;
    if (depth >= MOST_LINKS) throw new StartFailure("a VOLUME of the image lies behind too many links");
    const rest = posix.join("/", target, ...names.slice(n));
    // Links in the user's volume are the user's: the engine resolves them within the container.
    return isWithin(rest, DATA) ? rest : resolved(rest, linkOf, depth + 1);
  }
  return path;
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
