import type { Stats } from "node:fs";
import { access, constants, lstat, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { LIMITS } from "#protocol/limits.ts";
import { CliFailure, usage } from "../failure.ts";
import { bytes } from "../output/text.ts";

export type LocalFile = {
  /** local path that it is read from */
  source: string;
  /** path in the volume, relative to the destination, with `/` between components */
  path: string;
  /** bytes */
  size: number;
  /** named on the command line: a link is followed */
  follow: boolean;
};

/**
 * The files that `arguments_` name. A file is uploaded under its name, a directory with its contents under its
 * name, or without that name when it is given as `.` or `dir/.`. Links named on the command line are followed. Links
 * inside directories are skipped with a notice, and so are sockets, devices and FIFOs.
 * @throws CliFailure for a file that cannot be read, two files with one target, and more than one uplink may have
 */
export async function collectFiles(
  arguments_: string[],
  notice: (text: string) => void,
): Promise<LocalFile[]> {
  const found = new Map<string, LocalFile>();
  let total = 0;
  const add = (file: LocalFile) => {
    if (/[\r\n\0]/.test(file.path)) {
      throw new CliFailure("LOCAL_FILE", `${file.source}: a name with a line break cannot be uplinked`);
    }
    const other = found.get(file.path);
    if (other) throw usage(`${other.source} and ${file.source} would both arrive as ${file.path}`);
    found.set(file.path, file);
    total += file.size;
    if (found.size > LIMITS.uplinkFiles) {
      throw new CliFailure("TOO_MANY_FILES", `One uplink carries at most ${LIMITS.uplinkFiles} files`);
    }
    if (total > LIMITS.uplinkBytes) {
      throw new CliFailure(
        "MAX_UPLINK_SIZE_EXCEEDED",
        `Total upload size exceeds 2 GB (over ${bytes(total)})`,
      );
    }
  };
  for (const argument of arguments_) {
    const info = await read(argument, () => stat(argument));
    if (info.isFile()) {
      await read(argument, () => access(argument, constants.R_OK));
      add({ source: argument, path: basename(argument), size: info.size, follow: true });
    } else if (info.isDirectory()) {
      const contents = /(^|\/)\.{1,2}\/?$/.test(argument);
      await walk(argument, contents ? "" : basename(argument), add, notice);
    } else throw usage(`${argument} is neither a file nor a directory`);
  }
  if (found.size === 0)
    throw new CliFailure("NO_FILES", "There are no files in the given paths", { exit: 2 });
  return [...found.values()];
}

/** The one regular file that `option` names, of any size. @throws CliFailure for what is none, or cannot be read */
export async function namedFile(option: string, path: string): Promise<LocalFile> {
  const info = await read(path, () => stat(path));
  if (!info.isFile()) throw usage(`${option} takes a file, which ${path} is not`);
  await read(path, () => access(path, constants.R_OK));
  return { source: path, path: basename(path), size: info.size, follow: true };
}

async function walk(
  root: string,
  target: string,
  add: (file: LocalFile) => void,
  notice: (text: string) => void,
): Promise<void> {
  const pending = [{ source: root, target }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const directory = next;
    const names = (await read(directory.source, () => readdir(directory.source))).sort();
    if (names.length === 0) notice(`left out: ${directory.source} (an empty directory)`);
    for (const name of names) {
      const source = join(directory.source, name);
      const path = directory.target ? `${directory.target}/${name}` : name;
      const info = await read(source, () => lstat(source));
      if (info.isDirectory()) pending.push({ source, target: path });
      else if (info.isFile()) {
        await read(source, () => access(source, constants.R_OK));
        add({ source, path, size: info.size, follow: false });
      } else notice(`left out: ${source} (${kind(info)})`);
    }
  }
}

function kind(info: Stats): string {
  if (info.isSymbolicLink()) return "a link; links are not followed";
  if (info.isFIFO()) return "a FIFO";
  return info.isSocket() ? "a socket" : "a device";
}

async function read<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "there is no such file" : (error as Error).message;
    throw new CliFailure("LOCAL_FILE", `cannot read ${path}: ${why}`, { cause: error });
  }
}
