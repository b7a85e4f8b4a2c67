import type { FileHandle } from "node:fs/promises";
import { type Part, type PartLayout, partBytes, partCount } from "../../ports/part-uploads.ts";

/**
 * The file beside an upload's data that records the part size and which parts have arrived. A head of 16 bytes (the
 * object's size and the part size, 64 and 32 bits, big-endian) and 8 bytes a part: 1 when it has arrived, and
 * its CRC32. A record is within one sector, so that it is written completely or not at all.
 */
const HEAD = 16;
const RECORD = 8;

/** The content of a record file without any part. */
export function newRecord(layout: PartLayout): Buffer {
  const bytes = Buffer.alloc(HEAD + RECORD * partCount(layout));
  bytes.writeBigUInt64BE(BigInt(layout.size), 0);
  bytes.writeUInt32BE(layout.partSize, 8);
  return bytes;
}

/** Reads a record file: the layout, and the parts that have arrived. */
export async function readRecord(file: FileHandle): Promise<{ layout: PartLayout; arrived: Part[] }> {
  const bytes = await file.readFile();
  const layout = { size: Number(bytes.readBigUInt64BE(0)), partSize: bytes.readUInt32BE(8) };
  const arrived: Part[] = [];
  for (let at = HEAD; at < bytes.length; at += RECORD) {
    if (bytes.readUInt32BE(at) !== 1) continue;
    const number = (at - HEAD) / RECORD + 1;
    const crc32 = bytes
      .readUInt32BE(at + 4)
      .toString(16)
      .padStart(8, "0");
    arrived.push({ number, size: partBytes(layout, number), crc32 });
  }
  return { layout, arrived };
}

/**
 * Records that a part, whose data is durable, has arrived with that CRC32 (hex); without a CRC32, that it is no longer there.
 * Only the latter waits for the disk: of a part that has arrived a power cut may lose the record, and then it is sent again.
 */
export async function writeRecord(file: FileHandle, number: number, crc32?: string): Promise<void> {
  const record = Buffer.alloc(RECORD);
  if (crc32 !== undefined) {
    record.writeUInt32BE(1, 0);
    record.writeUInt32BE(Number.parseInt(crc32, 16), 4);
  }
  await file.write(record, 0, RECORD, HEAD + RECORD * (number - 1));
  if (crc32 === undefined) await file.datasync();
}
