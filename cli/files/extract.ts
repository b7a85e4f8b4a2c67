import { createReadStream } from "node:fs";
import { mkdir, open, utimes } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { CliFailure } from "../failure.ts";
import { type Archive, below, entryParts, making, shown, type Unpacked, unpackInto } from "./unpack-into.ts";

const TAR: Archive = { kind: "tar", hint: "leave --extract out to get the tar itself" };

type Options = {
  notice: (text: string) => void;
  signal: AbortSignal;
  /** the first entry is a text about the others, and goes here */
  manifest?: (name: string, text: string) => void;
};

/**
 * Unpacks a tar into the new directory `target`, completely or not at all. Names are bytes and are kept as they are. Only
 * files and directories are made; links and devices are skipped with a notice. A path that leads out of the directory, two
 * entries with one name, or a name that this file system refuses is an error that names the entry.
 * @throws CliFailure LOCAL_FILE, BAD_ANSWER
 */
export function extractTar(tar: string, target: string, options: Options): Promise<Unpacked> {
  return unpackInto(target, options.signal, (root) => unpack(tar, root, options));
}

async function unpack(tar: string, root: string, { notice, signal, manifest }: Options): Promise<Unpacked> {
  const found: Unpacked = { files: 0, directories: 0, bytes: 0 };
  // latin1: one character per byte. Names in pax records are text.
  const unpacker = extract({ filenameEncoding: "latin1" } as Parameters<typeof extract>[0]);
  const reading = pipeline(createReadStream(tar, { highWaterMark: 1024 * 1024 }), unpacker, { signal });
  // The loop below sees the same error; without this it would also count as unhandled.
  reading.catch(() => {});
  let first = manifest;
  for await (const entry of unpacker) {
    if (first) {
      first(entry.header.name, String(await buffer(entry)));
      first = undefined;
      continue;
    }
    const { type, mode = 0o644, mtime, pax } = entry.header;
    const isText = (pax as { path?: string } | null | undefined)?.path !== undefined;
    const name = Buffer.from(entry.header.name, isText ? "utf8" : "latin1");
    const parts = entryParts(name, TAR);
    if (type === "directory") {
      await making(name, TAR, () => mkdir(below(root, parts), { recursive: true }));
      found.directories++;
      entry.resume();
    } else if (type === "file" || type === "contiguous-file") {
      if (parts.length === 0) throw new CliFailure("BAD_ANSWER", "the tar contains a file without a name");
      const path = below(root, parts);
      const file = await making(name, TAR, async () => {
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
