import fs, { type BigIntStats } from "node:fs";
import { PerigeeError } from "#protocol/errors.ts";
import { Directory, isErrno } from "./directory.ts";

/** What is at a path. The caller closes `directory` or `fd`. */
export type Opened =
  | { kind: "directory"; directory: Directory; stats: BigIntStats }
  | { kind: "file"; fd: number; stats: BigIntStats }
  /** FIFO, socket or device: it was checked with fstat, never opened */
  | { kind: "other"; stats: BigIntStats };

/**
 * Opens what is at `path` beneath `root`, component by component, never following a link.
 * `path` is a volumePath: relative, normalised, "" for the root itself. `root` stays open.
 * @throws PerigeeError ILLEGAL_PATH when a component is a link
 * @throws ENOENT, ENOTDIR (a parent component is not a directory), ENAMETOOLONG
 */
export function openBeneath(root: Directory, path: string): Opened {
  if (path === "") {
    const directory = root.duplicate();
    return { kind: "directory", directory, stats: fs.fstatSync(directory.fd, { bigint: true }) };
  }
  const { parent, name } = openParent(root, path);
  try {
    return openEntry(parent, name, path);
  } finally {
    parent.close();
  }
}

/**
 * Opens the directory that contains the last component of `path` (not ""), and returns that component.
 * The caller closes `parent`.
 * @throws as {@link openBeneath}
 */
export function openParent(root: Directory, path: string): { parent: Directory; name: string } {
  const components = path.split("/");
  const name = components.pop() as string;
  let parent = root.duplicate();
  try {
    for (const component of components) {
      const next = openStep(parent, component, path);
      parent.close();
      parent = next;
    }
    return { parent, name };
  } catch (error) {
    parent.close();
    throw error;
  }
}

/**
 * Opens the directory `name` in `parent`; `path` is named in messages.
 * @throws PerigeeError ILLEGAL_PATH for a link; ENOENT, ENOTDIR
 */
export function openStep(parent: Directory, name: string, path: string): Directory {
  try {
    return parent.openDirectory(name);
  } catch (error) {
    // Linux returns ENOTDIR for a link when O_DIRECTORY and O_NOFOLLOW are combined
    if (isErrno(error, "ELOOP") || (isErrno(error, "ENOTDIR") && isLink(parent, name))) {
      throw illegal(path);
    }
    throw error;
  }
}

/** Opens the last component: exactly the entry that was checked, whatever a pod replaces it with meanwhile. */
export function openEntry(parent: Directory, name: string | Buffer, path: string): Opened {
  const handle = parent.handle(name);
  try {
    const stats = fs.fstatSync(handle, { bigint: true });
    if (stats.isSymbolicLink()) throw illegal(path);
    if (stats.isDirectory()) {
      return { kind: "directory", directory: Directory.adopt(Directory.reopen(handle)), stats };
    }
    if (stats.isFile()) return { kind: "file", fd: Directory.reopen(handle), stats };
    return { kind: "other", stats };
  } finally {
    fs.closeSync(handle);
  }
}

/** Does the error mean that nothing is at the path? */
export function isMissing(error: unknown): boolean {
  return isErrno(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG");
}

/** ILLEGAL_PATH for a path with a link in it. */
export function illegal(path: string): PerigeeError {
  return new PerigeeError("ILLEGAL_PATH", `Illegal path: ${JSON.stringify(path)} leads through a link`);
}

function isLink(parent: Directory, name: string): boolean {
  try {
    return parent.lstat(name).isSymbolicLink();
  } catch {
    return false;
  }
}
