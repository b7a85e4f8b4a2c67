import fs, { constants as c } from "node:fs";
import path from "node:path";
import { addAbortSignal, pipeline, type Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { unpackedQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { type Directory, isErrno } from "./directory.ts";
import { openParent } from "./open-beneath.ts";
import { readExactly } from "./read-exactly.ts";
import { type TarEntry, TarError, TarParser } from "./tar-parser.ts";

export type UnpackOptions = {
  signal: AbortSignal;
  /** bytes of all files together */
  maxBytes: number;
  /** of what is made: `own` for files that only the agent reads, `all` for any uid of a pod */
  access: "own" | "all";
  /** told of each entry that is left out */
  leftOut(line: string): void;
  /** throws when so many bytes more find no room on the disk */
  assertRoom(bytes: number): void;
};

/** After so many bytes the room on the disk is looked at again. */
const ROOM_BYTES = 16 * 1024 * 1024;
/** Bytes of an archive beside its files' contents: for each entry its headers and its padding, and what pads its end. */
const BESIDE_BYTES = LIMITS.unpackEntries * 2 * KiB + 16 * MiB;
const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Unpacks a tar, or a gzip or zstd of one, told by its first bytes, into an empty directory that nobody else writes.
 * Execute bits are kept, owners, times and all other bits are not. A link is made as it is when it stays inside, and is
 * never followed; one that leads out, hard or not, a device and a FIFO are left out.
 * @param fd of the archive
 * @returns bytes of all files together
 * @throws PerigeeError SOURCES_REFUSED, QUOTA_EXCEEDED, what `assertRoom` throws; the signal's reason
 */
export async function unpack(fd: number, target: Directory, options: UnpackOptions): Promise<number> {
  const { signal } = options;
  const parser = new TarParser(LIMITS.unpackEntries, { trailing: Number.POSITIVE_INFINITY });
  const writing = new Unpacking(target, options);
  try {
    let read = 0;
    for await (const chunk of opened(fd, signal)) {
      read += (chunk as Buffer).length;
      // packed, it may be endless without holding anything
      if (read > options.maxBytes + BESIDE_BYTES) throw unpackedQuotaExceeded();
      for (const event of parser.push(chunk as Buffer)) {
        if ("entry" in event) writing.begin(event.entry);
        else writing.write(event.data);
      }
    }
    parser.end();
    return writing.bytes;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const damaged = /^(Z_|ZSTD_|ERR_ZLIB)/.test((error as { code?: string }).code ?? "");
    if (damaged) throw refused("the compressed data is damaged", error);
    if (error instanceof TarError) throw refused(error.message, error);
    throw error;
  } finally {
    writing.close();
  }
}

function opened(fd: number, signal: AbortSignal): Readable {
  // a descriptor of its own, which the stream closes
  const own = fs.openSync(`/proc/self/fd/${fd}`, c.O_RDONLY);
  const start = Buffer.alloc(4);
  fs.readSync(own, start, 0, start.length, 0);
  const raw = readExactly(own, 0, fs.fstatSync(own).size);
  addAbortSignal(signal, raw);
  const gzip = start.subarray(0, GZIP.length).equals(GZIP);
  if (!gzip && !start.equals(ZSTD)) return raw;
  const unzip = gzip ? createGunzip() : createZstdDecompress();
  // an error comes to whoever reads the other end
  pipeline(raw, unzip, () => {});
  return unzip;
}

/** An archive that is being unpacked: one entry after the other. */
class Unpacking {
  bytes = 0;
  readonly #target: Directory;
  readonly #options: UnpackOptions;
  #fd: number | undefined;
  #looked = 0;

  constructor(target: Directory, options: UnpackOptions) {
    this.#target = target;
    this.#options = options;
  }

  begin(entry: TarEntry): void {
    this.close();
    const at = placeOf(entry.name);
    if (entry.type === "directory" || at === "") {
      if (entry.type !== "directory") throw illegal(entry.name);
      this.#directory(at, entry.name).close();
      return;
    }
    if (entry.type === "other") {
      this.#options.leftOut(`left out: ${shown(at)} is a device or a FIFO`);
      return;
    }
    const { dir, base } = path.posix.parse(at);
    using parent = this.#directory(dir, entry.name);
    if (entry.type === "symlink") return void this.#link(parent, base, at, entry.linkname);
    if (entry.type === "link") return void this.#hardLink(parent, base, at, entry.linkname);
    if (this.bytes + entry.size > this.#options.maxBytes) {
      throw unpackedQuotaExceeded();
    }
    this.#options.assertRoom(entry.size);
    const { own, all } = { own: [0o644, 0o755], all: [0o666, 0o777] } as const;
    const [plain, executable] = this.#options.access === "own" ? own : all;
    this.#make(at, () => {
      removeOld(parent, base);
      const flags = c.O_WRONLY | c.O_CREAT | c.O_EXCL | c.O_NOFOLLOW;
      this.#fd = fs.openSync(parent.at(base), flags, 0o600);
      fs.fchmodSync(this.#fd, entry.executable ? executable : plain);
    });
  }

  write(data: Buffer): void {
    if (this.#fd === undefined) return;
    for (let at = 0; at < data.length; ) at += fs.writeSync(this.#fd, data, at);
    this.bytes += data.length;
    if (this.bytes - this.#looked < ROOM_BYTES) return;
    this.#looked = this.bytes;
    this.#options.assertRoom(0);
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** The directory at `at`, with those above it, made where nothing is. The caller closes it. */
  #directory(at: string, name: string): Directory {
    const mode = this.#options.access === "own" ? 0o755 : 0o777;
    let directory = this.#target.duplicate();
    try {
      for (const part of at === "" ? [] : at.split("/")) {
        const next = this.#make(name, () => directory.makeDirectory(part, mode));
        directory.close();
        directory = next;
      }
      return directory;
    } catch (error) {
      directory.close();
      throw error;
    }
  }

  #link(parent: Directory, base: string, at: string, target: string): void {
    const led = path.posix.normalize(path.posix.join(path.posix.dirname(at), target));
    if (this.#leadsOut(at, target, led)) return;
    this.#make(at, () => {
      removeOld(parent, base);
      fs.symlinkSync(target, parent.at(base));
    });
  }

  /** Leaves out a link that does. */
  #leadsOut(at: string, target: string, led: string): boolean {
    const isOut = target === "" || target.startsWith("/") || led === ".." || led.startsWith("../");
    if (isOut) this.#options.leftOut(`left out: ${shown(at)} is a link that leads out`);
    return isOut;
  }

  #hardLink(parent: Directory, base: string, at: string, target: string): void {
    // its target is a name in the archive
    if (this.#leadsOut(at, target, path.posix.normalize(target))) return;
    const from = placeOf(target);
    this.#make(at, () => {
      const { parent: other, name } = openParent(this.#target, from);
      try {
        if (!other.lstat(name).isFile()) throw illegal(target);
        if (from === at) return;
        removeOld(parent, base);
        fs.linkSync(other.at(name), parent.at(base));
      } finally {
        other.close();
      }
    });
  }

  /** What an archive makes of itself that no file system takes is the archive's own fault. */
  #make<T>(name: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      const own = ["EEXIST", "ENOTDIR", "ELOOP", "EISDIR", "ENAMETOOLONG", "ENOENT", "EMLINK", "EILSEQ"];
      const through = error instanceof PerigeeError && error.code === "ILLEGAL_PATH";
      if (through || isErrno(error, ...own)) throw illegal(name, error);
      throw error;
    }
  }
}

/** A later entry takes the place of an earlier one of its name, but not of a directory. */
function removeOld(parent: Directory, name: string): void {
  if (parent.has(name)) parent.unlink(name);
}

/** Where an entry goes: relative, normalised; "" for the root. @throws PerigeeError SOURCES_REFUSED */
function placeOf(name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (name.startsWith("/") || parts.includes("..") || parts.length > LIMITS.listDepth) throw illegal(name);
  return parts.join("/");
}

function illegal(name: string, cause?: unknown): PerigeeError {
  return refused(`illegal path '${name.slice(0, 500)}'`, cause);
}

function refused(why: string, cause?: unknown): PerigeeError {
  return new PerigeeError("SOURCES_REFUSED", `extracting sources: ${why}`, { cause });
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
