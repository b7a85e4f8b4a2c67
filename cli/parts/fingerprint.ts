import { crc32 } from "node:zlib";
import { Xxh64 } from "@node-rs/xxhash";
import { MiB } from "#protocol/limits.ts";
import type { LocalFile } from "../files/collect.ts";
import { changed, openAgain } from "../files/open-again.ts";

/** A file as POST /uplinks describes it. */
export type Declared = {
  path: string;
  size: number;
  /** XXH64 of the content, 16 hex digits */
  checksum: string;
  /** CRC32 of every part, 8 hex digits */
  crc32: string[];
};

const CHUNK = 4 * MiB;

/**
 * Reads files once and returns their sizes and checksums. Memory stays at one chunk.
 * @throws CliFailure LOCAL_FILE when a file cannot be read or changes; the signal's reason
 */
export async function fingerprint(
  files: LocalFile[],
  options: { partSize: number; signal: AbortSignal; onRead: (bytes: number) => void },
): Promise<Declared[]> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  const declared: Declared[] = [];
  for (const file of files) declared.push(await readThrough(file, buffer, options));
  return declared;
}

async function readThrough(
  file: LocalFile,
  buffer: Buffer,
  { partSize, signal, onRead }: { partSize: number; signal: AbortSignal; onRead: (bytes: number) => void },
): Promise<Declared> {
  const { path, size } = file;
  const hash = new Xxh64();
  const crcs: string[] = [];
  await using handle = await openAgain(file);
  let crc = 0;
  for (let at = 0; at < size; ) {
    signal.throwIfAborted();
    const part = Math.min(size, (crcs.length + 1) * partSize);
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, part - at), at);
    if (bytesRead === 0) throw changed(file);
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    crc = crc32(chunk, crc);
    at += bytesRead;
    onRead(bytesRead);
    if (at < part) continue;
    crcs.push(hex(crc, 8));
    crc = 0;
  }
  return { path, size, checksum: hex(hash.digest(), 16), crc32: crcs };
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
