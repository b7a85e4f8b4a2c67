import { isUtf8 } from "node:buffer";

const BLOCK = 512;
/** Bytes that fit into a header's own name field. */
const FIELD_BYTES = 100;
const FLAGS = { file: "0", link: "1", symlink: "2", directory: "5" } as const;

export type TarHeader = {
  /** bytes as they are on disk: a name may be no valid text */
  name: Buffer;
  type: keyof typeof FLAGS;
  /** bytes of content; default 0 */
  size?: number;
  /** permissions; default 0644 */
  mode?: number;
  /** ms since 1970; default 0 */
  mtimeMs?: number;
  /** target of a link */
  target?: Buffer;
};

/**
 * The blocks before an entry's content: owner 0:0, and extended headers for a name that does not fit. Text is written
 * as pax records, which are UTF-8 by definition; other bytes are written as GNU tar does.
 */
export function tarHeader(header: TarHeader): Buffer {
  const { name, target = Buffer.alloc(0) } = header;
  const records: Buffer[] = [];
  const before: Buffer[] = [];
  for (const [key, flag, bytes] of [
    ["path", "L", name],
    ["linkpath", "K", target],
  ] as const) {
    const isText = isUtf8(bytes);
    if (isText && (bytes.length > FIELD_BYTES || !isAscii(bytes))) records.push(paxRecord(key, bytes));
    else if (!isText && bytes.length > FIELD_BYTES) before.push(longHeader(flag, bytes));
  }
  if (records.length > 0) before.push(extension("x", Buffer.from("PaxHeader"), Buffer.concat(records)));
  return Buffer.concat([...before, block({ ...header, target, flag: FLAGS[header.type] })]);
}

/** A header for a regular file of our own. */
export function fileHeader(name: string, size: number): Buffer {
  return tarHeader({ name: Buffer.from(name), type: "file", size });
}

/** The padding after a content of `size` bytes up to the next block. */
export function paddingOf(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

export const END_OF_TAR = Buffer.alloc(2 * BLOCK);

/** The checksum of a header. */
export function tarChecksum(header: Buffer): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : header[i]!;
  return sum;
}

function block(header: Omit<TarHeader, "type"> & { flag: string; target: Buffer }): Buffer {
  const { name, flag, size = 0, mode = 0o644, mtimeMs = 0, target } = header;
  const out = Buffer.alloc(BLOCK);
  name.copy(out, 0, 0, FIELD_BYTES);
  writeOctal(out, 100, 7, mode);
  writeOctal(out, 108, 7, 0);
  writeOctal(out, 116, 7, 0);
  if (size < 8 ** 11) writeOctal(out, 124, 11, size);
  else {
    out[124] = 0x80;
    out.writeBigUInt64BE(BigInt(size), 128);
  }
  writeOctal(out, 136, 11, Math.min(Math.max(Math.floor(mtimeMs / 1000), 0), 0x7fffffff));
  out.write(flag, 156);
  target.copy(out, 157, 0, FIELD_BYTES);
  out.write("ustar\x0000", 257);
  out.write(`${tarChecksum(out).toString(8).padStart(6, "0")}\0 `, 148);
  return out;
}

function writeOctal(out: Buffer, at: number, digits: number, value: number): void {
  out.write(`${value.toString(8).padStart(digits, "0")}\0`, at);
}

function extension(flag: string, name: Buffer, content: Buffer): Buffer {
  const header = block({ name, flag, size: content.length, target: Buffer.alloc(0) });
  return Buffer.concat([header, content, paddingOf(content.length)]);
}

function longHeader(flag: string, bytes: Buffer): Buffer {
  return extension(flag, Buffer.from("././@LongLink"), Buffer.concat([bytes, Buffer.alloc(1)]));
}

function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80);
}
