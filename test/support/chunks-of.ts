import { createHash } from "node:crypto";
import { chunkRecord } from "#protocol/chunking/chunk-list.ts";
import { Chunker } from "#protocol/chunking/chunker.ts";

/** The list of a content's chunks, as an edge sends it. */
export function chunksOf(content: Buffer): Buffer {
  const records: Buffer[] = [];
  let from = 0;
  const add = (end: number) => {
    const chunk = content.subarray(from, end);
    records.push(chunkRecord(chunk.length, createHash("sha256").update(chunk).digest()));
    from = end;
  };
  new Chunker().push(content, add);
  if (from < content.length) add(content.length);
  return Buffer.concat(records);
}
