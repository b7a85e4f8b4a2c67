import fs from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Pack, pack as tarPack } from "tar-stream";
import { type Directory, isErrno } from "./directory.ts";
import { isMissing, type Opened, openEntry } from "./open-beneath.ts";
import { readExactly } from "./read-exactly.ts";
import { TreeTooLarge, type WalkEntry, type WalkOptions, walkTree } from "./walk-tree.ts";

/** tar's unit: a header, and what contents are padded to */
const BLOCK = 512;
/** bytes that may be pushed and not yet read */
const AHEAD = 4 * 1024 * 1024;

export type PackOptions = WalkOptions & {
  /** bytes of file content in all; default: no bound */
  maxBytes?: number;
  /** Keep links whose target is relative and stays beneath `directory` (default: all links are left out). */
  innerLinks?: boolean;
  /** Further files after the tree's, for example a Dockerfile from elsewhere. */
  extra?: readonly { path: string; content: Uint8Array; mode?: number }[];
};

/**
 * A tar of everything beneath `directory`: regular files and directories; links and special files are left
 * out, also those swapped in while it is read. Paths are relative, directories end in `/`. Bytes flow as they
 * are asked for. The stream fails (TreeTooLarge, FileShrank, the signal's reason) rather than end with a tar
 * that lies. `directory` must stay open until the stream closes; the caller closes it then.
 */
export function packDirectory(directory: Directory, options: PackOptions = {}): Readable {
  const pack = tarPack();
  const flow = new Flow();
  // tar-stream's own stream class is not Node's: wrapped, so that pipeline() and fetch treat it as one
  const stream = Readable.from(flow.through(pack, options.signal), {
    objectMode: false,
    highWaterMark: 1024 * 1024,
  });
  const stop = new AbortController();
  stream.once("close", () => stop.abort(new Error("the reader has gone")));
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  fill(pack, flow, directory, { ...options, signal }).then(
    () => pack.finalize(),
    (cause: Error) => {
      const error = options.signal?.aborted ? (options.signal.reason as Error) : cause;
      // the one that the reader sees; the inner one only ends the iteration
      stream.destroy(error);
      pack.destroy(error);
    },
  );
  pack.on("error", () => {});
  return stream;
}

/**
 * Backpressure for what tar-stream pushes without asking: the headers. A million directories would otherwise
 * lie in memory while a slow reader reads.
 */
class Flow {
  #ahead = 0;
  #wake: () => void = () => {};

  async *through(pack: Pack, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of pack as AsyncIterable<Buffer>) {
        this.#ahead -= chunk.length;
        this.#wake();
        yield chunk;
      }
    } catch (error) {
      // streams say AbortError; the reader is to see why
      throw signal?.aborted ? signal.reason : error;
    }
  }

  /** Counts what was pushed and waits until most of it was read. */
  async pushed(bytes: number, signal: AbortSignal): Promise<void> {
    this.#ahead += bytes;
    while (this.#ahead > AHEAD) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }
}

async function fill(
  pack: Pack,
  flow: Flow,
  directory: Directory,
  options: PackOptions & { signal: AbortSignal },
): Promise<void> {
  const budget = { left: options.maxBytes ?? Number.POSITIVE_INFINITY };
  for await (const entry of walkTree(directory, options)) {
    if (entry.kind === "directory") await addDirectory(pack, entry);
    else if (entry.kind === "file") await addFile(pack, flow, entry, budget, options.signal);
    else if (entry.kind === "symlink" && options.innerLinks) await addLink(pack, entry);
    await flow.pushed(BLOCK, options.signal);
  }
  for (const { path, content, mode = 0o644 } of options.extra ?? []) {
    await new Promise<void>((resolve, reject) => {
      pack.entry({ name: path, mode, mtime: new Date(0) }, Buffer.from(content), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }
}

async function addDirectory(pack: Pack, { parent, name, path }: WalkEntry): Promise<void> {
  const opened = tryOpen(parent, name, path);
  if (opened?.kind === "directory") {
    opened.directory.close();
    const { mode, mtime } = headerOf(opened);
    await new Promise<void>((resolve, reject) => {
      pack.entry({ name: `${path}/`, type: "directory", mode, mtime }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  } else release(opened);
}

/** A link as a link: its target is text, which nobody follows here. */
async function addLink(pack: Pack, { parent, name, path }: WalkEntry): Promise<void> {
  let target: string;
  try {
    target = parent.readLink(name);
  } catch (error) {
    if (isMissing(error) || isErrno(error, "EINVAL")) return;
    throw error;
  }
  if (!staysBeneath(path, target)) return;
  await new Promise<void>((resolve, reject) => {
    pack.entry({ name: path, type: "symlink", linkname: target, mtime: new Date(0) }, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

/** Does a link at `path` with this target stay beneath the root, whatever its components turn out to be? */
export function staysBeneath(path: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\ufffd")) return false;
  let depth = path.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return false;
  }
  return true;
}

async function addFile(
  pack: Pack,
  flow: Flow,
  { parent, name, path }: WalkEntry,
  budget: { left: number },
  signal: AbortSignal,
): Promise<void> {
  const opened = tryOpen(parent, name, path);
  if (opened?.kind !== "file") return release(opened);
  const size = Number(opened.stats.size);
  budget.left -= size;
  if (budget.left < 0) {
    release(opened);
    throw new TreeTooLarge("the files are larger together than may be sent");
  }
  const content = readExactly(opened.fd, 0, size);
  const entry = pack.entry({ name: path, size, ...headerOf(opened) });
  // streamx's sink is close enough to Node's Writable for pipeline
  await pipeline(content, entry as unknown as NodeJS.WritableStream, { signal });
  await flow.pushed(Math.ceil(size / BLOCK) * BLOCK, signal);
}

function headerOf({ stats }: Opened): { mode: number; mtime: Date } {
  // tar's plain header has no room for more
  const mtime = Math.min(Math.max(Math.floor(Number(stats.mtimeMs) / 1000), 0), 0x7fffffff);
  return { mode: Number(stats.mode) & 0o777, mtime: new Date(mtime * 1000) };
}

/** What is there now; undefined when it vanished or became a link. */
function tryOpen(parent: Directory, name: string | Buffer, path: string): Opened | undefined {
  try {
    return openEntry(parent, name, path);
  } catch (error) {
    if (isMissing(error) || isIllegal(error)) return undefined;
    throw error;
  }
}

function isIllegal(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ILLEGAL_PATH";
}

function release(opened: Opened | undefined): void {
  if (opened?.kind === "directory") opened.directory.close();
  if (opened?.kind === "file") fs.closeSync(opened.fd);
}
