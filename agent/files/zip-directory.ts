import { once } from "node:events";
import { closeSync } from "node:fs";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { ZipFile } from "yazl";
import { LIMITS } from "#protocol/limits.ts";
import { destroyOnAbort } from "./destroy-on-abort.ts";
import type { Directory } from "./directory.ts";
import { attributesOf, openNow, release } from "./pack-directory.ts";
import { readExactly } from "./read-exactly.ts";
import { TreeTooLarge, type WalkEntry, walkTree } from "./walk-tree.ts";
import { zipName } from "./zip-name.ts";
import { ZipProgress } from "./zip-progress.ts";

export type ZipOptions = {
  signal?: AbortSignal;
  /** bytes of file content in all (default: no bound) */
  maxBytes?: number;
  /** directories have entries of their own (default), so that empty ones are kept */
  directories?: boolean;
};

const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
/** Bytes that a name in a zip may have. */
const NAME_BYTES = 0xffff;

/**
 * A zip (Zip64 where it is needed) of the regular files and directories beneath `directory`, as packDirectory takes
 * them: links and special files are left out, and what vanishes or is exchanged while it is read. The same tree gives
 * the same bytes. The stream fails (TreeTooLarge, FileShrank, the signal's reason) rather than end with a zip that
 * lies. `directory` must stay open until the stream closes.
 */
export function zipDirectory(directory: Directory, options: ZipOptions = {}): Readable {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  // yazl tells errors of its own beside the stream
  zip.on("error", (error: Error) => output.destroy(error));
  const stream = Readable.from(
    (async function* () {
      const filling = fill(zip, directory, { ...options, signal }).catch((error: Error) => {
        output.destroy(error);
      });
      try {
        yield* output as AsyncIterable<Buffer>;
      } finally {
        stop.abort(new Error("the reader has gone"));
        output.destroy();
        await filling;
      }
    })(),
    { objectMode: false, highWaterMark: 1024 * 1024 },
  );
  destroyOnAbort(stream, options.signal);
  return stream;
}

/** One entry after the other, so that only one file is open and nothing but the central directory is held. */
async function fill(
  zip: ZipFile,
  directory: Directory,
  { signal, maxBytes = Number.POSITIVE_INFINITY, directories = true }: ZipOptions & { signal: AbortSignal },
): Promise<void> {
  let left = maxBytes;
  const progress = new ZipProgress(zip);
  for await (const entry of walkTree(directory, { signal, maxEntries: LIMITS.zipEntries })) {
    progress.advance();
    if (entry.kind === "directory" && directories) addDirectory(zip, entry);
    if (entry.kind !== "file") continue;
    const opened = openNow(entry, {});
    if (opened?.kind !== "file") {
      release(opened, entry, {});
      continue;
    }
    const size = Number(opened.stats.size);
    left -= size;
    if (left < 0) {
      closeSync(opened.fd);
      throw new TreeTooLarge("the files are larger together than may be sent");
    }
    const { mode, mtimeMs } = attributesOf(opened, entry, {});
    const attributes = { mode: REGULAR | mode, mtime: new Date(mtimeMs) };
    if (size === 0) {
      closeSync(opened.fd);
      zip.addBuffer(Buffer.alloc(0), nameOf(entry), { ...attributes, compress: false });
      continue;
    }
    const content = readExactly(opened.fd, 0, size);
    const abort = () => content.destroy(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      zip.addReadStreamLazy(nameOf(entry), attributes, givenOnce(content));
      await finished(content);
    } finally {
      signal.removeEventListener("abort", abort);
      if (!content.closed) {
        const closed = once(content, "close");
        content.destroy();
        await closed;
      }
    }
  }
  progress.restore();
  zip.end();
}

/**
 * What yazl holds of a file until the end: a function that has let go of its stream. It has a scope of its own, or it
 * would hold whatever another function of that scope refers to: about 48 KiB for each file.
 */
function givenOnce(content: Readable): (give: (error: null, stream: Readable) => void) => void {
  let given: Readable | undefined = content;
  return (give) => {
    give(null, given!);
    given = undefined;
  };
}

/** @throws TreeTooLarge when no zip can hold it */
function nameOf({ raw }: WalkEntry): string {
  const name = zipName(raw);
  // one byte for the end of a directory's
  if (Buffer.byteLength(name) >= NAME_BYTES) throw new TreeTooLarge("a path is too long for a zip");
  return name;
}

function addDirectory(zip: ZipFile, entry: WalkEntry): void {
  const opened = openNow(entry, {});
  if (opened?.kind !== "directory") {
    release(opened, entry, {});
    return;
  }
  opened.directory.close();
  const { mode, mtimeMs } = attributesOf(opened, entry, {});
  zip.addEmptyDirectory(`${nameOf(entry)}/`, { mode: DIRECTORY | mode, mtime: new Date(mtimeMs) });
}
