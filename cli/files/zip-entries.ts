import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { KiB, MiB } from "#protocol/limits.ts";

export type ZipEntry = {
  /** as bytes */
  name: Buffer;
  kind: "file" | "directory" | "other";
  method: "stored" | "deflated";
  /** bytes, packed and not */
  packed: number;
  size: number;
  crc32: number;
  /** permissions; 0 when it says none */
  mode: number;
  /** of its local header */
  offset: number;
};

export type ZipFile = {
  entries: ZipEntry[];
  /** The packed bytes of an entry. @throws ZipError */
  content(entry: ZipEntry): Promise<Readable>;
};

/** It is no zip, or one that is not read here. */
export class ZipError extends Error {
  override readonly name = "ZipError";
}

const END = 0x06054b50;
const END_BYTES = 22;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const CHUNK = 256 * KiB;
const MOST_COMMENT = 0xffff;
/** Bytes of the list of entries: 100,000 with long names are 30 MiB. */
const MOST_CENTRAL = 512 * MiB;
const ENCRYPTED = 1;
const TYPE = 0o170000;

/** Reads a zip's list of entries, Zip64 included. @throws ZipError */
export async function readZip(file: FileHandle): Promise<ZipFile> {
  const { size } = await file.stat();
  const list = await centralDirectory(file, size);
  const entries: ZipEntry[] = [];
  for (let at = 0; at < list.length; ) {
    if (list.length - at < CENTRAL_BYTES || list.readUInt32LE(at) !== CENTRAL) throw damaged();
    const end =
      at +
      CENTRAL_BYTES +
      list.readUInt16LE(at + 28) +
      list.readUInt16LE(at + 30) +
      list.readUInt16LE(at + 32);
    if (end > list.length) throw damaged();
    entries.push(entryOf(list.subarray(at, end)));
    at = end;
  }
  return { entries, content: (entry) => contentOf(file, entry, size) };
}

async function centralDirectory(file: FileHandle, size: number): Promise<Buffer> {
  const tail = await read(file, Math.max(0, size - END_BYTES - MOST_COMMENT), size);
  let at = tail.length - END_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw new ZipError("what was received is no zip");
  let bytes = tail.readUInt32LE(at + 12);
  let offset = tail.readUInt32LE(at + 16);
  if (at >= 20 && tail.readUInt32LE(at - 20) === LOCATOR64) {
    const where = number64(tail, at - 20 + 8);
    const end = await read(file, where, where + 56);
    if (end.length < 56 || end.readUInt32LE(0) !== END64) throw damaged();
    bytes = number64(end, 40);
    offset = number64(end, 48);
  }
  if (bytes > MOST_CENTRAL || offset + bytes > size) throw damaged();
  return read(file, offset, offset + bytes);
}

function entryOf(record: Buffer): ZipEntry {
  const nameEnd = CENTRAL_BYTES + record.readUInt16LE(28);
  const extra = record.subarray(nameEnd, nameEnd + record.readUInt16LE(30));
  const name = record.subarray(CENTRAL_BYTES, nameEnd);
  const method = record.readUInt16LE(10);
  if (method !== 0 && method !== 8)
    throw new ZipError(`the zip has a method of packing, ${method}, that is not read here`);
  if (record.readUInt16LE(8) & ENCRYPTED) throw new ZipError("the zip is encrypted");
  const wide = wideNumbers(extra);
  // in this order, each only where its short field is full
  const size = next(record.readUInt32LE(24), wide);
  const packed = next(record.readUInt32LE(20), wide);
  const offset = next(record.readUInt32LE(42), wide);
  const unix = record.readUInt32LE(38) >>> 16;
  const type = unix & TYPE;
  const directory = name.at(-1) === 0x2f || type === 0o040000;
  const kind = directory ? "directory" : type === 0 || type === 0o100000 ? "file" : "other";
  const crc32 = record.readUInt32LE(16);
  return {
    name,
    kind,
    method: method === 0 ? "stored" : "deflated",
    packed,
    size,
    crc32,
    mode: unix & 0o777,
    offset,
  };
}

function wideNumbers(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    const field = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
    return Array.from({ length: Math.min(3, Math.floor(field.length / 8)) }, (_, i) =>
      number64(field, i * 8),
    );
  }
  return [];
}

function next(short: number, wide: number[]): number {
  if (short !== 0xffffffff) return short;
  return wide.shift() ?? short;
}

async function contentOf(file: FileHandle, { offset, packed }: ZipEntry, size: number): Promise<Readable> {
  const head = await read(file, offset, offset + LOCAL_BYTES);
  if (head.length < LOCAL_BYTES || head.readUInt32LE(0) !== LOCAL) throw damaged();
  const start = offset + LOCAL_BYTES + head.readUInt16LE(26) + head.readUInt16LE(28);
  if (start + packed > size) throw damaged();
  if (packed === 0) return Readable.from([]);
  return Readable.from(bytesOf(file, start, start + packed), { objectMode: false });
}

/** Of one handle for all entries: each read stream of it would listen for its end until the handle is closed. */
async function* bytesOf(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const some = await read(file, at, Math.min(end, at + CHUNK));
    // cut since
    if (some.length === 0) throw damaged();
    yield some;
    at += some.length;
  }
}

async function read(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.max(0, end - start));
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

function number64(from: Buffer, at: number): number {
  const value = Number(from.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw damaged();
  return value;
}

function damaged(): ZipError {
  return new ZipError("the zip is damaged");
}
