import { chunkRecords, type MakeSha256 } from "./chunk-list.ts";
import { Chunker } from "./chunker.ts";

/** The list of a content's chunks, piece by piece: their records, and the SHA-256 of the whole. */
export async function* listChunks(
  content: AsyncIterable<Uint8Array>,
  makeSha256: MakeSha256,
): AsyncGenerator<Buffer> {
  const chunker = new Chunker();
  const whole = makeSha256();
  for await (const bytes of content) {
    whole.update(bytes);
    const records = chunkRecords(chunker.push(bytes), makeSha256);
    if (records.length > 0) yield records;
  }
  yield Buffer.concat([chunkRecords(chunker.end(), makeSha256), whole.digest()]);
}
