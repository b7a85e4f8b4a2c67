import fs from "node:fs";
import { promisify } from "node:util";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import type { StagedFile } from "#protocol/operations.ts";
import { type Directory, isErrno } from "../../files/directory.ts";
import { openStep } from "../../files/open-beneath.ts";
import { markUplinked, UPLINK_MODE } from "../../files/uplink-mark.ts";
import type { FileState } from "../listing/known-hashes.ts";
import type { Trash } from "../trash.ts";
import type { Incoming } from "./incoming.ts";

const fsync = promisify(fs.fsync);

/** How often we try again when a pod keeps putting something in the way. */
const TRIES = 100;
/** ms after a file's last write from which on another write is visible in its times */
const TICK_MS = 20;

export type PutInPlace = { hashes: { state: FileState; hash: bigint }[] };

/**
 * Moves every file of the plan that is still in `incoming` to its target, and creates directories for them;
 * everything is as durable as `incoming` when it returns. It may be repeated: what is no longer in `incoming` is in place.
 *
 * The targets were checked before. What a pod has put in the way since (a directory or link where a file goes,
 * a file or link where a directory goes) is moved into the trash: the uplink was accepted and must be put in place
 * completely. Links are never followed.
 * @throws PerigeeError INTERNAL_ERROR when a pod puts something in the way again and again
 */
export async function putInPlace(
  root: Directory,
  incoming: Incoming,
  trash: Trash,
  command: string,
): Promise<PutInPlace> {
  const hashes: PutInPlace["hashes"] = [];
  const obstacles: string[] = [];
  const aside = (parent: Directory, name: string) => {
    const id = `${command}.aside-${obstacles.length}-${Date.now()}`;
    try {
      trash.take(parent, name, id);
      obstacles.push(id);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  };
  for (const file of incoming.plan) {
    if (incoming.has(file.n)) {
      const state = place(root, incoming, file, aside);
      if (state) hashes.push({ state, hash: BigInt.asIntN(64, BigInt(`0x${file.xxh64}`)) });
      killPoint("uplink.renamed");
    }
  }
  killPoint("uplink.placed");
  if (incoming.isDurable) await syncDirectories(root, incoming.plan);
  for (const id of obstacles) await trash.empty(id);
  return { hashes };
}

function place(
  root: Directory,
  incoming: Incoming,
  { n, path }: StagedFile,
  aside: (parent: Directory, name: string) => void,
): FileState | undefined {
  const before = incoming.directory.lstat(String(n));
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const components = path.split("/");
    const name = components.pop() as string;
    let parent = root.duplicate();
    try {
      for (const component of components) {
        const next = makeStep(parent, component, path, aside);
        parent.close();
        parent = next;
      }
      // a rename does not replace a directory
      if (isDirectory(parent, name)) aside(parent, name);
      incoming.directory.rename(String(n), parent, name);
      return stateOf(parent, name, before);
    } catch (error) {
      if (isErrno(error, "EISDIR", "ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR") || error === IN_THE_WAY) {
        continue;
      }
      throw error;
    } finally {
      parent.close();
    }
  }
  throw new PerigeeError("INTERNAL_ERROR", `A pod keeps changing ${path} while it is being put in place`);
}

const IN_THE_WAY = new Error("something was put in the way");

function makeStep(
  parent: Directory,
  name: string,
  path: string,
  aside: (parent: Directory, name: string) => void,
): Directory {
  try {
    return parent.makeDirectory(name, UPLINK_MODE, markUplinked);
  } catch (error) {
    if (!isErrno(error, "ENOTDIR", "ELOOP")) throw error;
  }
  try {
    // it may be a directory by now, which is not moved away
    return openStep(parent, name, path);
  } catch (error) {
    if (isErrno(error, "ENOTDIR") || (error instanceof PerigeeError && error.code === "ILLEGAL_PATH")) {
      aside(parent, name);
    } else if (!isErrno(error, "ENOENT")) throw error;
    throw IN_THE_WAY;
  }
}

function isDirectory(parent: Directory, name: string): boolean {
  return fs.lstatSync(parent.at(name), { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The file's state for the hash cache; undefined when a pod may have written to it already. */
function stateOf(parent: Directory, name: string, before: fs.Stats): FileState | undefined {
  const now = Date.now();
  const stats = fs.lstatSync(parent.at(name), { throwIfNoEntry: false });
  const same = stats?.ino === before.ino && stats.mtimeMs === before.mtimeMs && stats.size === before.size;
  return same && now - before.mtimeMs > TICK_MS ? stats : undefined;
}

/** Calls fsync on every parent directory of the files, once for each. */
async function syncDirectories(root: Directory, plan: readonly StagedFile[]): Promise<void> {
  await fsync(root.fd);
  const synced = new Set<string>();
  for (const { path } of plan) {
    const components = path.split("/").slice(0, -1);
    if (synced.has(components.join("/"))) continue;
    let parent = root.duplicate();
    try {
      for (const [i, component] of components.entries()) {
        const next = openStep(parent, component, path);
        parent.close();
        parent = next;
        const prefix = components.slice(0, i + 1).join("/");
        if (!synced.has(prefix)) await fsync(parent.fd);
        synced.add(prefix);
      }
    } catch (error) {
      // moved away by a pod since: not ours to flush
      if (!isErrno(error, "ENOENT", "ENOTDIR") && !(error instanceof PerigeeError)) throw error;
    } finally {
      parent.close();
    }
  }
}
