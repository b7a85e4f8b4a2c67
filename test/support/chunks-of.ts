import { createHash } from "node:crypto";
import { chunkRecords } from "#protocol/chunking/chunk-list.ts";
import { Chunker } from "#protocol/chunking/chunker.ts";

const sha256 = () => createHash("sha256");

/** The list of a content's chunks, as an edge sends it. */
export function chunksOf(content: Buffer): Buffer {
  const chunker = new Chunker();
  const records = [chunker.push(content), chunker.end()].map((chunks) => chunkRecords(chunks, sha256));
  return Buffer.concat([...records, sha256().update(content).digest()]);
}
