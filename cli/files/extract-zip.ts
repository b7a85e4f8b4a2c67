import { mkdir, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { LIMITS } from "#protocol/limits.ts";
import { CliFailure } from "../failure.ts";
import { bytes } from "../output/text.ts";
import { type Archive, below, entryParts, making, shown, type Unpacked, unpackInto } from "./unpack-into.ts";
import { readZip, type ZipEntry, ZipError, type ZipFile } from "./zip-entries.ts";

const ZIP: Archive = { kind: "zip", hint: "get the zip itself with --zip" };

/**
 * Unpacks a zip into the new directory `target`, completely or not at all. Only files and directories are made; links are
 * skipped with a notice. A path that leads out of the directory, two entries with one name, content that is not what the
 * zip says, and more than a job's result may be are errors.
 * @throws CliFailure LOCAL_FILE, BAD_ANSWER
 */
export function extractZip(
  zip: string,
  target: string,
  options: { notice: (text: string) => void; signal: AbortSignal },
): Promise<Unpacked> {
  return unpackInto(target, options.signal, async (root) => {
    const file = await open(zip);
    try {
      return await unpack(await readZip(file), root, options);
    } catch (error) {
      if (!(error instanceof ZipError)) throw error;
      throw new CliFailure("BAD_ANSWER", error.message, { hint: ZIP.hint, cause: error });
    } finally {
      await file.close();
    }
  });
}

async function unpack(
  zip: ZipFile,
  root: string,
  { notice, signal }: { notice: (text: string) => void; signal: AbortSignal },
): Promise<Unpacked> {
  const total = zip.entries.reduce((sum, { size }) => sum + size, 0);
  if (total > LIMITS.jobResultBytes) {
    throw new ZipError(`the zip says that it holds ${bytes(total)}, more than a result may`);
  }
  const found: Unpacked = { files: 0, directories: 0, bytes: 0 };
  for (const entry of zip.entries) {
    const { name, kind } = entry;
    const parts = entryParts(name, ZIP);
    if (kind === "other") notice(`left out: ${shown(name)} (a link, or a special file)`);
    else if (kind === "directory") {
      await making(name, ZIP, () => mkdir(below(root, parts), { recursive: true }));
      found.directories++;
    } else {
      if (parts.length === 0) throw new ZipError("the zip contains a file without a name");
      await making(name, ZIP, () => mkdir(below(root, parts.slice(0, -1)), { recursive: true }));
      await unpackFile(zip, entry, below(root, parts), signal);
      found.files++;
      found.bytes += entry.size;
    }
  }
  return found;
}

async function unpackFile(zip: ZipFile, entry: ZipEntry, path: Buffer, signal: AbortSignal): Promise<void> {
  const { name, size, method } = entry;
  const file = await making(name, ZIP, () => open(path, "wx", 0o666 | (entry.mode & 0o111)));
  const wrong = () => new ZipError(`${shown(name)} in the zip is not what the zip says: it is damaged`);
  try {
    let done = 0;
    let sum = 0;
    const write = async (content: AsyncIterable<Buffer>) => {
      for await (const chunk of content) {
        done += chunk.length;
        // never more than was announced, whatever it unpacks to
        if (done > size) throw wrong();
        sum = crc32(chunk, sum);
        await file.writeFile(chunk);
      }
    };
    const packed = await zip.content(entry);
    if (method === "stored") await pipeline(packed, write, { signal });
    else await pipeline(packed, createInflateRaw(), write, { signal });
    if (done !== size || sum !== entry.crc32) throw wrong();
  } catch (error) {
    // an error of Deflate
    throw String((error as NodeJS.ErrnoException).code).startsWith("Z_") ? wrong() : error;
  } finally {
    await file.close();
  }
}
