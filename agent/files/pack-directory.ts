import fs from "node:fs";
import { Readable } from "node:stream";
import { destroyOnAbort } from "./destroy-on-abort.ts";
import { type Directory, isErrno } from "./directory.ts";
import { isMissing, type Opened, openEntry } from "./open-beneath.ts";
import { readExactly } from "./read-exactly.ts";
import { END_OF_TAR, fileHeader, paddingOf, tarHeader } from "./tar-header.ts";
import { TreeTooLarge, type WalkEntry, type WalkOptions, walkTree } from "./walk-tree.ts";

export type PackOptions = WalkOptions & {
  /** bytes of file content in all; default: no bound */
  maxBytes?: number;
  /**
   * Symbolic links as the text they are, and a file's further names as links to its first (default: symbolic links
   * are left out, and each name is a file of its own).
   */
  links?: boolean;
  /** Permissions of a file or directory; default: its own, without set-user-id, set-group-id and sticky bits. */
  modeOf?: (stats: Opened["stats"], path: string) => number;
  /** Told of each entry that is not in the tar although the filter wanted it. */
  leftOut?: (path: string, why: string) => void;
  /** Told of each file and directory of the tree that is put into the tar, before its content is read. */
  packed?: (entry: WalkEntry, opened: Opened) => void;
  /** Called when the tree is in the tar whole. */
  finish?: () => void;
  /** Further files after the tree's, for example a Dockerfile from elsewhere. */
  extra?: readonly OwnFile[];
  /** And before them. */
  first?: readonly OwnFile[];
};

type OwnFile = { path: string; content: Uint8Array };

type Budget = { left: number };

/**
 * A tar of everything beneath `directory`: regular files and directories, links as asked for; special files are
 * left out, and what vanishes or is exchanged while it is read. Paths are relative and byte for byte what they are
 * on disk; directories end in `/`. Bytes flow as they are asked for. The stream fails (TreeTooLarge, FileShrank,
 * the signal's reason) rather than end with a tar that lies. `directory` must stay open until the stream closes;
 * the caller closes it then.
 */
export function packDirectory(directory: Directory, options: PackOptions = {}): Readable {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const stream = Readable.from(blocks(directory, { ...options, signal }), {
    objectMode: false,
    highWaterMark: 1024 * 1024,
  });
  destroyOnAbort(stream, options.signal);
  stream.once("close", () => stop.abort(new Error("the reader has gone")));
  return stream;
}

async function* blocks(
  directory: Directory,
  options: PackOptions & { signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const budget = { left: options.maxBytes ?? Number.POSITIVE_INFINITY };
  const names = new Map<string, Buffer>();
  yield* ownBlocks(options.first);
  for await (const entry of walkTree(directory, options)) {
    if (entry.kind === "directory") yield* directoryBlocks(entry, options);
    else if (entry.kind === "file") yield* fileBlocks(entry, options, budget, names);
    else if (entry.kind === "symlink" && options.links) yield* linkBlocks(entry, options);
    else
      options.leftOut?.(entry.path, entry.kind === "symlink" ? "a link" : "neither a file nor a directory");
  }
  options.finish?.();
  yield* ownBlocks(options.extra);
  yield END_OF_TAR;
}

function* ownBlocks(files: readonly OwnFile[] = []): Generator<Buffer> {
  for (const { path, content } of files) {
    yield fileHeader(path, content.length);
    yield Buffer.from(content);
    yield paddingOf(content.length);
  }
}

function* directoryBlocks(entry: WalkEntry, options: PackOptions): Generator<Buffer> {
  const opened = openNow(entry, options);
  if (opened?.kind !== "directory") return release(opened, entry, options);
  opened.directory.close();
  options.packed?.(entry, opened);
  yield tarHeader({
    name: Buffer.concat([rawPath(entry), Buffer.from("/")]),
    type: "directory",
    ...attributesOf(opened, entry, options),
  });
}

/** A link as a link: its target is text, which nobody follows here. */
function* linkBlocks(entry: WalkEntry, { leftOut }: PackOptions): Generator<Buffer> {
  try {
    yield tarHeader({
      name: rawPath(entry),
      type: "symlink",
      mode: 0o777,
      target: entry.parent.readLinkBytes(entry.name),
    });
  } catch (error) {
    if (!isMissing(error) && !isErrno(error, "EINVAL")) throw error;
    leftOut?.(entry.path, CHANGED);
  }
}

async function* fileBlocks(
  entry: WalkEntry,
  options: PackOptions & { signal: AbortSignal },
  budget: Budget,
  names: Map<string, Buffer>,
): AsyncGenerator<Buffer> {
  const opened = openNow(entry, options);
  if (opened?.kind !== "file") return release(opened, entry, options);
  const { stats } = opened;
  const name = rawPath(entry);
  if (options.links && stats.nlink > 1n) {
    const id = `${stats.dev}:${stats.ino}`;
    const target = names.get(id);
    if (target) {
      fs.closeSync(opened.fd);
      yield tarHeader({ name, type: "link", target, ...attributesOf(opened, entry, options) });
      return;
    }
    names.set(id, name);
  }
  const size = Number(stats.size);
  budget.left -= size;
  if (budget.left < 0) {
    fs.closeSync(opened.fd);
    throw new TreeTooLarge("the files are larger together than may be sent");
  }
  options.packed?.(entry, opened);
  const content = readExactly(opened.fd, 0, size);
  try {
    yield tarHeader({ name, type: "file", size, ...attributesOf(opened, entry, options) });
    for await (const chunk of content) {
      options.signal.throwIfAborted();
      yield chunk as Buffer;
    }
    if (size % 512 !== 0) yield paddingOf(size);
  } finally {
    content.destroy();
  }
}

const CHANGED = "it changed while it was read";

function rawPath({ raw }: WalkEntry): Buffer {
  return Buffer.from(raw, "latin1");
}

export function attributesOf({ stats }: Opened, { path }: WalkEntry, { modeOf }: PackOptions) {
  return { mode: modeOf?.(stats, path) ?? Number(stats.mode) & 0o777, mtimeMs: Number(stats.mtimeMs) };
}

/** What is there now; undefined when it vanished or became a link. */
export function openNow({ parent, name, path }: WalkEntry, { leftOut }: PackOptions): Opened | undefined {
  try {
    return openEntry(parent, name, path);
  } catch (error) {
    if (!isMissing(error) && !isIllegal(error)) throw error;
    leftOut?.(path, CHANGED);
    return undefined;
  }
}

function isIllegal(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ILLEGAL_PATH";
}

/** It is something else by now. */
export function release(opened: Opened | undefined, { path }: WalkEntry, { leftOut }: PackOptions): void {
  if (opened === undefined) return;
  if (opened.kind === "directory") opened.directory.close();
  if (opened.kind === "file") fs.closeSync(opened.fd);
  leftOut?.(path, CHANGED);
}
