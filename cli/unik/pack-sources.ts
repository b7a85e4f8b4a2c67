import { createWriteStream } from "node:fs";
import { lstat, mkdtemp, open, readdir, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished, pipeline } from "node:stream/promises";
import { type Pack, pack } from "tar-stream";
import { CliFailure, usage } from "../failure.ts";
import type { LocalFile } from "../files/collect.ts";

/**
 * Packs a directory into a tar beside it in the system's temporary place: files with their execute bits, directories, and
 * links as they are. What is neither is left out with a notice.
 */
export async function packSources(
  directory: string,
  notice: (text: string) => void,
): Promise<{ file: LocalFile } & AsyncDisposable> {
  const info = await stat(directory).catch((cause: Error) => {
    throw new CliFailure("LOCAL_FILE", `cannot read ${directory}: ${cause.message}`, { cause });
  });
  if (!info.isDirectory()) throw usage(`${directory} is no directory`);
  const place = await mkdtemp(join(tmpdir(), "perigee-sources-"));
  const remove = () => rm(place, { recursive: true, force: true });
  try {
    const source = join(place, "sources.tar");
    const tar = pack();
    const written = pipeline(tar, createWriteStream(source));
    const filled = fill(tar, directory, "", notice).then(
      () => tar.finalize(),
      (error: Error) => void tar.destroy(error),
    );
    await Promise.all([written, filled]);
    const { size } = await stat(source);
    return {
      file: { source, path: "sources.tar", size, follow: false },
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    if (error instanceof CliFailure) throw error;
    throw new CliFailure("LOCAL_FILE", `cannot pack ${directory}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function fill(tar: Pack, root: string, below: string, notice: (text: string) => void): Promise<void> {
  for (const name of (await readdir(join(root, below))).sort()) {
    const path = below === "" ? name : `${below}/${name}`;
    const info = await lstat(join(root, path));
    const header = { name: path, mode: info.mode & 0o777, mtime: info.mtime };
    if (info.isDirectory()) {
      tar.entry({ ...header, type: "directory" });
      await fill(tar, root, path, notice);
    } else if (info.isSymbolicLink()) {
      tar.entry({ ...header, type: "symlink", linkname: await readlink(join(root, path)) });
    } else if (info.isFile() && info.size === 0) {
      tar.entry(header, "");
    } else if (info.isFile()) {
      await using handle = await open(join(root, path));
      const entry = tar.entry({ ...header, size: info.size });
      const ended = finished(entry);
      // a file that grows meanwhile ends where it ended
      handle.createReadStream({ end: info.size - 1, autoClose: false }).pipe(entry);
      await ended;
    } else notice(`left out: ${join(root, path)}`);
  }
}
