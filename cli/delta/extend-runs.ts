import type { FileHandle } from "node:fs/promises";
import { chunkKey, type ListedChunk } from "#protocol/chunking/chunk-list.ts";
import type { LocalFile } from "../files/collect.ts";
import { readFrom } from "./read-from.ts";
import type { Run } from "./runs.ts";
import { sha256Hash } from "./sha256-hash.ts";

/**
 * Behind a change cuts are others for some chunks. So runs that the old content has are extended backwards, by chunks of the
 * old content that are in the file where they would have to be.
 */
export async function extendRuns(
  runs: Run[],
  old: ListedChunk[],
  { handle, file }: { handle: FileHandle; file: LocalFile },
): Promise<Run[]> {
  const before = new Map(old.map((chunk) => [chunk.offset + chunk.length, chunk]));
  for (const [i, run] of runs.entries()) {
    const gap = runs[i - 1];
    if (run.at === undefined || gap === undefined || gap.at !== undefined) continue;
    for (let chunk = before.get(run.at); chunk && chunk.length <= gap.bytes; chunk = before.get(run.at)) {
      const { length, key, offset } = chunk;
      if (chunkKey(await readFrom(handle, file, run.start - length, length), sha256Hash) !== key) break;
      run.start -= length;
      run.at = offset;
      run.bytes += length;
      gap.bytes -= length;
    }
  }
  return runs.filter(({ bytes }) => bytes > 0);
}
