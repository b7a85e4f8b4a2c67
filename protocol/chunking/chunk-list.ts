import { TAR_BLOCK } from "./chunker.ts";

/** Bytes of a chunk in a list: its length less one, and the beginning of its SHA-256. */
const RECORD = 2 + 8;
/** A list ends with the SHA-256 of the whole. */
const SHA256 = 32;

/** A chunk as a list names it. `key`: its length and the beginning of its SHA-256, for comparing. */
export type ListedChunk = { offset: number; length: number; key: string };
export type ChunkList = { chunks: ListedChunk[]; sha256: string };

/** SHA-256, as the platform has it. */
export type Sha256 = { update(bytes: Uint8Array): Sha256; digest(): Buffer };
export type MakeSha256 = () => Sha256;

/** The records of chunks. */
export function chunkRecords(chunks: Iterable<Buffer>, makeSha256: MakeSha256): Buffer {
  const records: Buffer[] = [];
  for (const chunk of chunks) {
    const record = Buffer.alloc(RECORD);
    record.writeUInt16LE(chunk.length - 1, 0);
    makeSha256()
      .update(chunk)
      .digest()
      .copy(record, 2, 0, RECORD - 2);
    records.push(record);
  }
  return Buffer.concat(records);
}

/** A chunk's record as text, by which chunks of two contents are compared. It is a shortened hash: the caller must check the content later. */
export function chunkKey(chunk: Buffer, makeSha256: MakeSha256): string {
  return chunkRecords([chunk], makeSha256).toString("latin1");
}

/** What a list says. @throws RangeError when it is none of a content of `size` bytes */
export function readChunkList(list: Buffer, size: number): ChunkList {
  const chunks: ListedChunk[] = [];
  const end = list.length - SHA256;
  let offset = 0;
  for (let at = 0; at + RECORD <= end; at += RECORD) {
    const length = list.readUInt16LE(at) + 1;
    chunks.push({ offset, length, key: list.toString("latin1", at, at + RECORD) });
    offset += length;
  }
  if (end < 0 || end % RECORD !== 0 || offset !== size)
    throw new RangeError("the list is not of this content");
  return { chunks, sha256: list.toString("hex", end) };
}

/** Bytes of the list of a content of `size` bytes, at most. */
export function chunkListBytes(size: number): number {
  return (Math.ceil(size / TAR_BLOCK) + 1) * RECORD + SHA256;
}
