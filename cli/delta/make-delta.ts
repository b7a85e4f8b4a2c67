import { type FileHandle, open } from "node:fs/promises";
import { Xxh64 } from "@node-rs/xxhash";
import { type ChunkList, chunkKey } from "#protocol/chunking/chunk-list.ts";
import { Chunker } from "#protocol/chunking/chunker.ts";
import { bytesInDelta, type DeltaPiece, deltaTail } from "#protocol/chunking/delta.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import type { LocalFile } from "../files/collect.ts";
import { changed, openAgain } from "../files/open-again.ts";
import { extendRuns } from "./extend-runs.ts";
import { type Packing, packPieces } from "./pack-pieces.ts";
import { readFrom } from "./read-from.ts";
import { type Run, Runs } from "./runs.ts";
import { sha256Hash } from "./sha256-hash.ts";

const BLOCK = 4 * MiB;

export type Delta = {
  size: number;
  sha256: string;
  /** XXH64 */
  checksum: string;
  /** SHA-256 of what it is made for */
  base: string;
  /** bytes of the delta */
  bytes: number;
};

export type Making = {
  signal: AbortSignal;
  /** bytes that the delta may have */
  most: number;
  /** the content with those chunks, where it is here too: what differs is packed with it */
  old?: LocalFile | undefined;
  /** told how many bytes of the file are packed */
  progress?: (done: number) => void;
};

/**
 * Writes to `path` what makes `file` of a content with these chunks. Memory stays at a few blocks, and the manifest.
 * @returns undefined when it would be larger than wanted, or of more pieces than an edge takes
 * @throws CliFailure LOCAL_FILE; the signal's reason; what keeps `path` from being written
 */
export async function makeDelta(
  file: LocalFile,
  base: ChunkList,
  path: string,
  { signal, most, old, progress }: Making,
): Promise<Delta | undefined> {
  await using handle = await openAgain(file);
  const { runs, ...sums } = await compare(handle, file, base, signal);
  await using out = await open(path, "wx", 0o600);
  let written = 0;
  const write = async (bytes: Buffer) => {
    signal.throwIfAborted();
    written += bytes.length;
    if (written > most) throw new TooLarge();
    await out.appendFile(bytes);
  };
  try {
    await using oldHandle = old && (await openAgain(old));
    const news: Packing = { handle, file, write, progress };
    const pieces = oldHandle
      ? await packPieces(runs, { ...news, old: oldHandle, oldFile: old })
      : await freshPieces(runs, news, most);
    const tail = deltaTail(pieces);
    if (pieces.length > LIMITS.deltaPieces || tail.length > LIMITS.deltaManifestBytes) return undefined;
    await write(tail);
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
  return { size: file.size, ...sums, base: base.sha256, bytes: written };
}

class TooLarge extends Error {}

async function compare(handle: FileHandle, file: LocalFile, base: ChunkList, signal: AbortSignal) {
  const runs = new Runs(base.chunks);
  const [sha256, xxh64] = [sha256Hash(), new Xxh64()];
  const chunker = new Chunker();
  const block = Buffer.allocUnsafe(BLOCK);
  const add = (chunk: Buffer) => runs.add(chunkKey(chunk, sha256Hash), chunk.length);
  for (let at = 0; at < file.size; ) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(block, 0, BLOCK, at);
    if (bytesRead === 0) throw changed(file);
    const bytes = block.subarray(0, bytesRead);
    for (const sum of [sha256, xxh64]) sum.update(bytes);
    for (const chunk of chunker.push(bytes)) add(chunk);
    at += bytesRead;
  }
  for (const chunk of chunker.end()) add(chunk);
  const extended = await extendRuns(runs.all, base.chunks, { handle, file });
  return { runs: extended, sha256: sha256.digest("hex"), checksum: xxh64Text(xxh64.digest()) };
}

/** What the old content does not have goes as it is. */
async function freshPieces(
  runs: Run[],
  { handle, file, write }: Packing,
  most: number,
): Promise<DeltaPiece[]> {
  const pieces = runs.map(({ at, bytes }): DeltaPiece => (at === undefined ? { bytes } : { at, bytes }));
  const total = pieces.reduce((sum, piece) => sum + bytesInDelta(piece), 0);
  if (total > most) throw new TooLarge();
  for (const { at, bytes, start } of runs) {
    if (at !== undefined) continue;
    for (let done = 0; done < bytes; done += BLOCK) {
      await write(await readFrom(handle, file, start + done, Math.min(BLOCK, bytes - done)));
    }
  }
  return pieces;
}
