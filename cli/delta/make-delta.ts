import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { Xxh64 } from "@node-rs/xxhash";
import { chunkKey, type ListedChunk } from "#protocol/chunking/chunk-list.ts";
import { Chunker } from "#protocol/chunking/chunker.ts";
import { type DeltaPiece, deltaHead } from "#protocol/chunking/delta.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import type { LocalFile } from "../files/collect.ts";
import { changed, openAgain } from "../files/open-again.ts";

const BLOCK = 4 * MiB;

export type Delta = {
  size: number;
  sha256: string;
  /** XXH64 */
  checksum: string;
  /** bytes of the delta */
  bytes: number;
};

type Run = { at: number | undefined; bytes: number; start: number; hash: Hash };

/**
 * Writes to `path` what makes `file` of a content with these chunks. Memory stays at one block, and the manifest.
 * @param most bytes that the delta may have
 * @returns undefined, with nothing written, when it would be larger, or of more pieces than an edge takes
 * @throws CliFailure LOCAL_FILE; the signal's reason; what keeps `path` from being written
 */
export async function makeDelta(
  file: LocalFile,
  base: ListedChunk[],
  path: string,
  { signal, most }: { signal: AbortSignal; most: number },
): Promise<Delta | undefined> {
  const known = new Map(base.map((chunk) => [chunk.key, chunk.offset]));
  const runs: Run[] = [];
  const sums = { whole: createHash("sha256"), xxh64: new Xxh64() };
  const take = (start: number, chunk: Buffer) => {
    const last = runs.at(-1);
    const follows = last?.at === undefined ? undefined : last.at + last.bytes;
    const key = chunkKey(chunk.length, createHash("sha256").update(chunk).digest());
    // what goes on where the last run ends is one piece with it, also when the same chunk is elsewhere too
    const at = follows !== undefined && keysAt.get(follows) === key ? follows : known.get(key);
    const joins = last && (at === undefined ? last.at === undefined : at === follows);
    const run = joins ? last : { at, bytes: 0, start, hash: createHash("sha256") };
    if (!joins) runs.push(run);
    run.hash.update(chunk);
    run.bytes += chunk.length;
  };
  const keysAt = new Map(base.map(({ offset, key }) => [offset, key]));
  await using handle = await openAgain(file);
  const chunker = new Chunker();
  const block = Buffer.allocUnsafe(BLOCK);
  let rest: Buffer = Buffer.alloc(0);
  for (let at = 0; at < file.size; ) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(block, 0, BLOCK, at);
    if (bytesRead === 0) throw changed(file);
    const bytes = block.subarray(0, bytesRead);
    sums.whole.update(bytes);
    sums.xxh64.update(bytes);
    let from = 0;
    chunker.push(bytes, (end) => {
      const part = bytes.subarray(from, end);
      take(at + from - rest.length, rest.length > 0 ? Buffer.concat([rest, part]) : part);
      rest = Buffer.alloc(0);
      from = end;
    });
    rest = Buffer.concat([rest, bytes.subarray(from)]);
    at += bytesRead;
  }
  if (rest.length > 0) take(file.size - rest.length, rest);
  const pieces = runs.map(({ at, bytes, hash }): DeltaPiece => {
    return { ...(at !== undefined && { at }), bytes, sha256: hash.digest("hex") };
  });
  const head = deltaHead(pieces);
  const news = runs.filter(({ at }) => at === undefined);
  const total = news.reduce((sum, { bytes }) => sum + bytes, head.length);
  if (total > most || pieces.length > LIMITS.deltaPieces || head.length > LIMITS.deltaManifestBytes)
    return undefined;
  await using out = await open(path, "wx", 0o600);
  await out.appendFile(head);
  for (const { bytes, start } of news) {
    for (let done = 0; done < bytes; ) {
      signal.throwIfAborted();
      const { bytesRead } = await handle.read(block, 0, Math.min(BLOCK, bytes - done), start + done);
      if (bytesRead === 0) throw changed(file);
      await out.appendFile(block.subarray(0, bytesRead));
      done += bytesRead;
    }
  }
  const checksum = xxh64Text(sums.xxh64.digest());
  return { size: file.size, sha256: sums.whole.digest("hex"), checksum, bytes: total };
}
