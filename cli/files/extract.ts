import { createReadStream } from "node:fs";
import { chmod, mkdir, mkdtemp, open, rename, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { CliFailure } from "../failure.ts";

type Found = { files: number; directories: number; bytes: number };

/**
 * Unpacks a tar into the new directory `target`, all or nothing: into a fresh directory beside it that is
 * renamed at the end. Only files and directories are made; links and devices are left out with a notice. A
 * path that leads out, or two entries of one name, end it.
 * @throws CliFailure LOCAL_FILE, BAD_ANSWER
 */
export async function extractTar(
  tar: string,
  target: string,
  options: { notice: (text: string) => void; signal: AbortSignal },
): Promise<Found> {
  const fresh = await mkdtemp(join(dirname(target), ".perigee-extract-"));
  try {
    const found = await unpack(tar, fresh, options);
    await chmod(fresh, 0o777 & ~process.umask());
    // Fails when something has come up there meanwhile: rename replaces nothing but an empty directory.
    await rename(fresh, target);
    return found;
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (error instanceof CliFailure || options.signal.aborted) throw error;
    throw new CliFailure("LOCAL_FILE", `cannot unpack to ${target}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function unpack(
  tar: string,
  root: string,
  { notice, signal }: { notice: (text: string) => void; signal: AbortSignal },
): Promise<Found> {
  const found: Found = { files: 0, directories: 0, bytes: 0 };
  const unpacker = extract();
  const reading = pipeline(createReadStream(tar, { highWaterMark: 1024 * 1024 }), unpacker, { signal });
  // The loop below sees the same error; without this it would also count as unhandled.
  reading.catch(() => {});
  for await (const entry of unpacker) {
    const { name, type, mode = 0o644, mtime } = entry.header;
    const parts = entryParts(name);
    if (type === "directory") {
      await mkdir(join(root, ...parts), { recursive: true });
      found.directories++;
      entry.resume();
    } else if (type === "file" || type === "contiguous-file") {
      if (parts.length === 0) throw new CliFailure("BAD_ANSWER", "the tar holds a file without a name");
      const path = join(root, ...parts);
      await mkdir(dirname(path), { recursive: true });
      const file = await open(path, "wx", 0o666 | (mode & 0o111));
      try {
        for await (const chunk of entry) {
          const bytes = chunk as Buffer;
          await file.writeFile(bytes);
          found.bytes += bytes.length;
        }
      } finally {
        await file.close();
      }
      if (mtime) await utimes(path, mtime, mtime);
      found.files++;
    } else {
      notice(`left out: ${name} (${type})`);
      entry.resume();
    }
  }
  await reading;
  return found;
}

/** Components of an entry's path. Nothing but files and directories of ours is below the root: no links lead out. */
function entryParts(name: string): string[] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (name.startsWith("/") || name.includes("\0") || parts.includes("..")) {
    throw new CliFailure("BAD_ANSWER", `the tar holds a path that leads out: ${name}`);
  }
  return parts;
}
