import { CHUNK } from "./chunker.ts";

/** Bytes of a chunk in a list: its length less one, and the beginning of its SHA-256. */
const RECORD = 2 + 8;

/** A chunk as a list names it. `key`: its length and the beginning of its SHA-256, for comparing. */
export type ListedChunk = { offset: number; length: number; key: string };

export function chunkRecord(length: number, sha256: Buffer): Buffer {
  const record = Buffer.alloc(RECORD);
  record.writeUInt16LE(length - 1, 0);
  sha256.copy(record, 2, 0, RECORD - 2);
  return record;
}

/** The same as text, by which chunks of two contents are compared: whoever relies on it checks the content later. */
export function chunkKey(length: number, sha256: Buffer): string {
  return chunkRecord(length, sha256).toString("latin1");
}

/** The chunks of a list. @throws RangeError when it is none of a content of `size` bytes */
export function readChunkList(list: Buffer, size: number): ListedChunk[] {
  const chunks: ListedChunk[] = [];
  let offset = 0;
  for (let at = 0; at + RECORD <= list.length; at += RECORD) {
    const length = list.readUInt16LE(at) + 1;
    chunks.push({ offset, length, key: list.toString("latin1", at, at + RECORD) });
    offset += length;
  }
  if (list.length % RECORD !== 0 || offset !== size) throw new RangeError("the list is not of this content");
  return chunks;
}

/** Bytes of the list of a content of `size` bytes, at most. */
export function chunkListBytes(size: number): number {
  return (Math.ceil(size / CHUNK.least) + 1) * RECORD;
}
