import fs from "node:fs";
import path from "node:path";
import { xxh64 } from "@node-rs/xxhash";

/** What must be unchanged for a known hash to be valid. Times are in ms with fractions, as in `fs.Stats`. */
export type FileState = { ino: number; size: number; mtimeMs: number; ctimeMs: number };

const MAGIC = 0x3148_5850; // "PXH1"
const HEADER = 16;
const FIELDS = 5;
const RECORD = FIELDS * 8;

/**
 * The content hashes of one volume by inode, in memory while a listing runs. A hash is valid only while inode,
 * size, mtime and ctime are all unchanged: no program can set a ctime. Inodes beyond 2^53, which a
 * double cannot tell apart, are never kept.
 */
export class HashTable {
  #numbers = new Float64Array(0);
  #hashes = new BigInt64Array(0);
  #count = 0;
  readonly #byInode = new Map<number, number>();

  get count(): number {
    return this.#count;
  }

  get(file: FileState): bigint | undefined {
    const index = this.#byInode.get(file.ino);
    if (index === undefined) return undefined;
    const at = index * 4;
    const n = this.#numbers;
    if (n[at + 1] !== file.size || n[at + 2] !== file.mtimeMs || n[at + 3] !== file.ctimeMs) return undefined;
    return this.#hashes[index];
  }

  set(file: FileState, hash: bigint): void {
    if (!Number.isSafeInteger(file.ino)) return;
    let index = this.#byInode.get(file.ino);
    if (index === undefined) {
      index = this.#count++;
      this.#reserve(this.#count);
      this.#byInode.set(file.ino, index);
    }
    this.#numbers.set([file.ino, file.size, file.mtimeMs, file.ctimeMs], index * 4);
    this.#hashes[index] = hash;
  }

  #reserve(count: number): void {
    if (count <= this.#hashes.length) return;
    const room = Math.max(1024, count, this.#hashes.length * 2);
    const numbers = new Float64Array(room * 4);
    numbers.set(this.#numbers);
    const hashes = new BigInt64Array(room);
    hashes.set(this.#hashes);
    this.#numbers = numbers;
    this.#hashes = hashes;
  }

  /** One batch of the file: magic, count, checksum, numbers, hashes. */
  encode(): Buffer {
    const numbers = new Uint8Array(this.#numbers.buffer, 0, this.#count * 32);
    const hashes = new Uint8Array(this.#hashes.buffer, 0, this.#count * 8);
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(MAGIC, 0);
    header.writeUInt32LE(this.#count, 4);
    const batch = Buffer.concat([header, numbers, hashes]);
    batch.writeBigUInt64LE(xxh64(batch.subarray(HEADER)), 8);
    return batch;
  }

  /** Reads batches, later ones override; stops at the first that is incomplete or of another format. */
  decode(file: Buffer): void {
    let at = 0;
    while (file.length - at >= HEADER && file.readUInt32LE(at) === MAGIC) {
      const count = file.readUInt32LE(at + 4);
      const end = at + HEADER + count * RECORD;
      if (end > file.length || xxh64(file.subarray(at + HEADER, end)) !== file.readBigUInt64LE(at + 8))
        return;
      // copied, since typed arrays need an aligned start
      const body = new Uint8Array(file.subarray(at + HEADER, end)).buffer;
      const numbers = new Float64Array(body, 0, count * 4);
      const hashes = new BigInt64Array(body, count * 32, count);
      if (this.#count === 0) {
        this.#numbers = numbers;
        this.#hashes = hashes;
        this.#count = count;
        for (let i = 0; i < count; i++) this.#byInode.set(numbers[i * 4]!, i);
      } else {
        for (let i = 0; i < count; i++) {
          const n = i * 4;
          this.set(
            { ino: numbers[n]!, size: numbers[n + 1]!, mtimeMs: numbers[n + 2]!, ctimeMs: numbers[n + 3]! },
            hashes[i]!,
          );
        }
      }
      at = end;
    }
  }
}

/**
 * The hash tables on disk, one file per volume. When they are lost or stale, files are hashed again. So nothing is
 * fsynced; a checksum detects incomplete writes.
 */
export class KnownHashes {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  fileOf(user: string, volume: string): string {
    // user names contain no dot, so no two volumes share a file
    return path.join(this.#directory, `${user}.${volume}`);
  }

  /** Adds hashes that are known without reading the files. */
  add(user: string, volume: string, files: readonly { state: FileState; hash: bigint }[]): void {
    if (files.length === 0) return;
    const table = new HashTable();
    for (const { state, hash } of files) table.set(state, hash);
    fs.appendFileSync(this.fileOf(user, volume), table.encode(), { mode: 0o600 });
  }

  forget(user: string, volume: string): void {
    fs.rmSync(this.fileOf(user, volume), { force: true });
  }
}

/** The table in `file`; empty when there is none, or when it is larger than `maxBytes`. */
export function loadTable(file: string, maxBytes = 256 * 1024 * 1024): HashTable {
  const table = new HashTable();
  try {
    if (fs.statSync(file).size <= maxBytes) table.decode(fs.readFileSync(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return table;
}

/** Replaces the table in `file`. */
export function saveTable(file: string, table: HashTable): void {
  const temporary = `${file}~`;
  fs.writeFileSync(temporary, table.encode(), { mode: 0o600 });
  fs.renameSync(temporary, file);
}
