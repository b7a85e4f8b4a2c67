import fs, { constants as c, type Dirent, type Stats } from "node:fs";
import { Xxh64, xxh64 } from "@node-rs/xxhash";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { type Directory, isErrno } from "../../files/directory.ts";
import { decodeName, entryName } from "../../files/entry-name.ts";
import { formatMinute } from "./format-minute.ts";
import { HashTable } from "./known-hashes.ts";

export type ListOptions = {
  known: HashTable;
  /**
   * A hash is kept only when the file was unchanged for this long (ms) before it was read: a write within
   * the same tick of the file system's clock would not be visible.
   */
  settledMs: number;
  /** Called often; throws to stop. */
  check: (entries: number, hashedBytes: number) => void;
  maxEntries?: number;
  maxDepth?: number;
  /** most bytes of JSON text; default 256 MiB */
  maxText?: number;
  /** bytes of mostly sparse files that are hashed all the same; default 1 GiB */
  sparseBytes?: number;
  /** buffer for reading files; default a new one of 1 MiB */
  buffer?: Buffer;
  /** after this time (ms) only known hashes are given, and no file is hashed any more; default 30 min */
  hashMs?: number;
};

export type Listed = {
  /** pieces of the JSON text of the entries array */
  pieces: string[];
  /** the listing stopped at a bound */
  truncated: boolean;
  /** sum of all files, bytes */
  size: number;
  /** hashes of the present files, and whether they differ from `known` */
  table: HashTable;
  changed: boolean;
};

const READ = c.O_RDONLY | c.O_NOFOLLOW | c.O_NONBLOCK | c.O_NOCTTY;
const BUFFER = 1 * MiB;
const PIECE = 64 * 1024;
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * Lists everything beneath `root` as the JSON text of `files/list`, with the XXH64 of every regular file.
 * Synchronous: call it in a worker. No link is followed, and only regular files are opened. A file whose name is not
 * UTF-8 is shown as `other`, since nobody could ask for it by that name.
 */
export function listTree(root: Directory, options: ListOptions): Listed {
  return new Listing(options).run(root);
}

class Listing {
  readonly #known: HashTable;
  readonly #table = new HashTable();
  readonly #check: ListOptions["check"];
  readonly #settledMs: number;
  readonly #maxEntries: number;
  readonly #maxDepth: number;
  readonly #maxText: number;
  readonly #hashUntil: number;
  readonly #buffer: Buffer;
  readonly #pieces: string[] = [];
  #sparseLeft: number;
  #text = "";
  #written = 0;
  #entries = 0;
  #hashed = 0;
  #hits = 0;
  #now = Date.now();
  #truncated = false;

  constructor(options: ListOptions) {
    this.#known = options.known;
    this.#check = options.check;
    this.#buffer = options.buffer ?? Buffer.allocUnsafeSlow(BUFFER);
    this.#settledMs = options.settledMs;
    this.#maxEntries = options.maxEntries ?? LIMITS.listEntries;
    this.#maxDepth = options.maxDepth ?? LIMITS.listDepth;
    this.#maxText = options.maxText ?? 256 * MiB;
    this.#sparseLeft = options.sparseBytes ?? 1024 * MiB;
    this.#hashUntil = performance.now() + (options.hashMs ?? 30 * 60_000);
  }

  run(root: Directory): Listed {
    const size = this.#contents(root, 1);
    this.#flush();
    const changed = this.#hits !== this.#known.count || this.#table.count !== this.#hits;
    return { pieces: this.#pieces, truncated: this.#truncated, size, table: this.#table, changed };
  }

  /** Writes `[…]` for a directory and returns the sum of its files' sizes. */
  #contents(directory: Directory, depth: number): number {
    const entries = directory.rawEntries();
    // raw names have one character per byte, so this order is bytewise
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const prefix = `${directory.path}/`;
    const shown = shownNames(entries);
    let sum = 0;
    let first = true;
    this.#text += "[";
    for (const entry of entries) {
      if (this.#entries >= this.#maxEntries || this.#written + this.#text.length > this.#maxText) {
        this.#truncated = true;
        break;
      }
      if ((++this.#entries & 127) === 0) {
        this.#now = Date.now();
        this.#check(this.#entries, this.#hashed);
        if (this.#text.length > PIECE) this.#flush();
      }
      const size = this.#entry(directory, prefix, entry, shown, first ? "" : ",", depth);
      if (size === undefined) continue;
      sum += size;
      first = false;
    }
    this.#text += "]";
    return sum;
  }

  /** Writes one entry after `comma`; undefined when it has vanished. */
  #entry(
    directory: Directory,
    prefix: string,
    entry: Dirent,
    shown: ReadonlyMap<string, string>,
    comma: string,
    depth: number,
  ): number | undefined {
    const raw = entryName(entry.name);
    const odd = shown.get(entry.name);
    const exact = odd === undefined;
    const text = odd ?? decodeName(entry.name).text;
    const name = PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
    const target = typeof raw === "string" ? prefix + raw : directory.at(raw);
    if (exact && entry.isFile()) {
      const file = this.#file(target);
      if (file === "vanished") return undefined;
      if (file !== "not a file") {
        this.#text += `${comma}{"type":"file","name":${name},"size":"${file.stats.size}","time":"${formatMinute(file.stats.mtimeMs)}","hash":${file.hash}}`;
        return file.stats.size;
      }
    }
    const stats = lstat(target);
    if (stats === undefined) return undefined;
    const time = formatMinute(stats.mtimeMs);
    if (exact && stats.isDirectory()) return this.#directory(directory, raw, name, time, comma, depth);
    const type = exact && stats.isSymbolicLink() ? "symlink" : "other";
    const bytes = exact ? "" : `,"name_base64":"${Buffer.from(entry.name, "latin1").toString("base64")}"`;
    this.#text += `${comma}{"type":"${type}","name":${name},"size":"${stats.size}","time":"${time}"${bytes}}`;
    return 0;
  }

  #directory(
    parent: Directory,
    raw: string | Buffer,
    name: string,
    time: string,
    comma: string,
    depth: number,
  ): number | undefined {
    let directory: Directory;
    try {
      directory = parent.openDirectory(raw);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
      throw error;
    }
    try {
      // a directory's size comes before its contents in the text, but is known only after them
      this.#flush();
      const slot = this.#pieces.push("") - 1;
      let size = 0;
      if (depth >= this.#maxDepth) {
        this.#truncated = true;
        this.#text += "[]";
      } else size = this.#contents(directory, depth + 1);
      const head = `${comma}{"type":"directory","name":${name},"size":"${size}","time":"${time}","contents":`;
      this.#pieces[slot] = head;
      this.#written += head.length;
      this.#text += "}";
      return size;
    } finally {
      directory.close();
    }
  }

  /** State and hash of a regular file: the known hash, or by reading the file. */
  #file(target: string | Buffer): { stats: Stats; hash: bigint | null } | "vanished" | "not a file" {
    if (this.#known.count > 0) {
      const stats = lstat(target);
      if (stats === undefined) return "vanished";
      if (!stats.isFile()) return "not a file";
      const hash = this.#known.get(stats);
      if (hash !== undefined) {
        this.#hits++;
        this.#table.set(stats, hash);
        return { stats, hash };
      }
    }
    let fd: number;
    try {
      fd = fs.openSync(target, READ);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return "vanished";
      if (isErrno(error, "ELOOP", "ENXIO", "ENODEV")) return "not a file";
      throw error;
    }
    try {
      const stats = fs.fstatSync(fd);
      if (!stats.isFile()) return "not a file";
      if (!this.#mayHash(stats)) return { stats, hash: null };
      const now = this.#now;
      const hash = this.#hash(fd, stats.size);
      if (hash !== null && now - stats.ctimeMs >= this.#settledMs) this.#table.set(stats, hash);
      return { stats, hash };
    } finally {
      fs.closeSync(fd);
    }
  }

  /** The disk bounds real data; this bounds the reading of holes. */
  #mayHash(stats: Stats): boolean {
    if (performance.now() > this.#hashUntil) return false;
    const holes = stats.size - stats.blocks * 512;
    if (holes <= 16 * MiB) return true;
    if (holes > this.#sparseLeft) return false;
    this.#sparseLeft -= holes;
    return true;
  }

  /** XXH64 of `size` bytes, signed; null when the file shrank or cannot be read. */
  #hash(fd: number, size: number): bigint | null {
    const buffer = this.#buffer;
    try {
      if (size <= buffer.length) {
        const count = size === 0 ? 0 : fs.readSync(fd, buffer, 0, size, 0);
        if (count !== size) return null;
        this.#hashed += count;
        return BigInt.asIntN(64, xxh64(buffer.subarray(0, count)));
      }
      const hash = new Xxh64();
      for (let left = size; left > 0; ) {
        const count = fs.readSync(fd, buffer, 0, Math.min(buffer.length, left), size - left);
        if (count === 0) return null;
        hash.update(buffer.subarray(0, count));
        left -= count;
        this.#hashed += count;
        this.#check(this.#entries, this.#hashed);
        if (performance.now() > this.#hashUntil) return null;
      }
      this.#now = Date.now();
      return BigInt.asIntN(64, hash.digest());
    } catch (error) {
      if (isErrno(error, "EIO", "ENODATA", "EUCLEAN")) return null;
      throw error;
    }
  }

  #flush(): void {
    if (this.#text === "") return;
    this.#pieces.push(this.#text);
    this.#written += this.#text.length;
    this.#text = "";
  }
}

function lstat(target: string | Buffer): Stats | undefined {
  return fs.lstatSync(target, { throwIfNoEntry: false });
}

const NONE: ReadonlyMap<string, string> = new Map();

/**
 * How names that are not UTF-8 are shown, by their raw form: escaped, with `?` appended as long as another entry of the
 * directory has that name.
 */
function shownNames(entries: readonly Dirent[]): ReadonlyMap<string, string> {
  const odd = entries.filter((entry) => !decodeName(entry.name).exact);
  if (odd.length === 0) return NONE;
  const taken = new Set<string>();
  for (const { name } of entries) {
    const { text, exact } = decodeName(name);
    if (exact) taken.add(text);
  }
  const shown = new Map<string, string>();
  for (const { name } of odd) {
    let text = decodeName(name).text;
    while (taken.has(text)) text += "?";
    taken.add(text);
    shown.set(name, text);
  }
  return shown;
}
