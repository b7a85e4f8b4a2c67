import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { chmod, mkdir, mkdtemp, open, rename, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { CliFailure } from "../failure.ts";
import { safe } from "../output/text.ts";

type Found = { files: number; directories: number; bytes: number };

/**
 * Unpacks a tar into the new directory `target`, completely or not at all: into a temporary directory beside it
 * that is renamed at the end. Names are bytes and are kept as they are. Only files and directories are made; links
 * and devices are skipped with a notice. A path that leads out of the directory, two entries with one name, or a name
 * that this file system refuses is an error that names the entry.
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
    // Fails when `target` was created meanwhile: a rename replaces nothing but an empty directory.
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
  // latin1: one character per byte. Names in pax records are text.
  const unpacker = extract({ filenameEncoding: "latin1" } as Parameters<typeof extract>[0]);
  const reading = pipeline(createReadStream(tar, { highWaterMark: 1024 * 1024 }), unpacker, { signal });
  // The loop below sees the same error; without this it would also count as unhandled.
  reading.catch(() => {});
  for await (const entry of unpacker) {
    const { type, mode = 0o644, mtime, pax } = entry.header;
    const isText = (pax as { path?: string } | null | undefined)?.path !== undefined;
    const name = Buffer.from(entry.header.name, isText ? "utf8" : "latin1");
    const parts = entryParts(name);
    if (type === "directory") {
      await making(name, () => mkdir(below(root, parts), { recursive: true }));
      found.directories++;
      entry.resume();
    } else if (type === "file" || type === "contiguous-file") {
      if (parts.length === 0) throw new CliFailure("BAD_ANSWER", "the tar contains a file without a name");
      const path = below(root, parts);
      const file = await making(name, async () => {
        await mkdir(below(root, parts.slice(0, -1)), { recursive: true });
        return open(path, "wx", 0o666 | (mode & 0o111));
      });
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
      notice(`left out: ${shown(name)} (${type})`);
      entry.resume();
    }
  }
  await reading;
  return found;
}

/** Components of an entry's path. Below the root is only what we made ourselves, so no link leads out. */
function entryParts(name: Buffer): string[] {
  const text = name.toString("latin1");
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  if (text.startsWith("/") || text.includes("\0") || parts.includes("..")) {
    throw new CliFailure("BAD_ANSWER", `the tar contains a path outside of its directory: ${shown(name)}`, {
      hint: KEEP_TAR,
    });
  }
  return parts;
}

function below(root: string, parts: readonly string[]): Buffer {
  return Buffer.concat([Buffer.from(root), ...parts.map((part) => Buffer.from(`/${part}`, "latin1"))]);
}

const KEEP_TAR = "leave --extract out to get the tar itself";
/** Errors that are about the name itself: trying again would not help. */
const NAME_ERRORS = ["EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "EILSEQ", "EINVAL"];

async function making<T>(name: Buffer, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!NAME_ERRORS.includes(code ?? "")) throw error;
    throw new CliFailure("LOCAL_FILE", `${shown(name)} cannot be unpacked here: ${message}`, {
      cause: error,
      hint: KEEP_TAR,
    });
  }
}

/** A name as text for people, whatever its bytes are. */
function shown(name: Buffer): string {
  return safe(
    isUtf8(name) ? name.toString() : `${JSON.stringify(name.toString())} (a name that is not UTF-8)`,
  );
}
