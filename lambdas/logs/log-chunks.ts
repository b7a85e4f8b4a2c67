import { KiB, MiB } from "#protocol/limits.ts";
import type { ListedObject } from "../ports/staging.ts";

/**
 * A stored piece of one run's log: bytes `offset` to `end` of all that was ever logged, up to and including
 * the agent's chunk `seq`. Pieces that were merged may overlap for a while; equal offsets hold equal bytes.
 */
export type LogChunk = { key: string; offset: number; end: number; seq: number };

const DIGITS = 15;
const NAME = /\/(\d{15})-(\d{15})$/;

export function chunkName(offset: number, seq: number): string {
  return `${String(offset).padStart(DIGITS, "0")}-${String(seq).padStart(DIGITS, "0")}`;
}

/** The pieces among listed objects, in the order of the log. */
export function readChunks(objects: ListedObject[]): LogChunk[] {
  return objects
    .flatMap(({ key, size }) => {
      const [, offset, seq] = NAME.exec(key) ?? [];
      if (!offset || !seq) return [];
      return [{ key, offset: Number(offset), end: Number(offset) + size, seq: Number(seq) }];
    })
    .sort((a, b) => a.offset - b.offset || b.end - a.end);
}

/** The pieces without those that others cover completely (an interrupted merge leaves such pieces). */
export function uncovered(chunks: LogChunk[]): LogChunk[] {
  let end = -1;
  return chunks.filter((chunk) => {
    if (chunk.end <= end) return false;
    end = chunk.end;
    return true;
  });
}

/** The piece that contains byte `offset`, or the first after it. */
export function chunkAt(chunks: LogChunk[], offset: number): LogChunk | undefined {
  return chunks.find((chunk) => chunk.end > offset);
}

const SMALL_BYTES = [32 * KiB, 512 * KiB];
const FEW = 16;
/** most bytes of one merge, which is done in memory */
const MERGE_BYTES = 1 * MiB;

/**
 * Neighbouring pieces worth merging: 16 under 32 KiB, or 16 under 512 KiB, so that a log is a few dozen objects however
 * it was written. Undefined when there are none. No piece gets larger than an eighth of `maxBytes`, since the oldest
 * are dropped piece by piece.
 */
export function mergeable(chunks: LogChunk[], maxBytes: number): LogChunk[] | undefined {
  const bound = Math.min(MERGE_BYTES, maxBytes / 8);
  for (const limit of SMALL_BYTES) {
    // any two small pieces fit into one
    const small = Math.min(limit, bound / 2);
    let run: LogChunk[] = [];
    for (const chunk of chunks) {
      if (run.length > 0 && run.at(-1)!.end !== chunk.offset) run = [];
      if (chunk.end - chunk.offset < small) run.push(chunk);
      else run = [];
      if (run.length >= FEW) return run.filter(({ end }) => end - run[0]!.offset <= bound);
    }
  }
  return undefined;
}

/** The oldest pieces to drop so that at most `bytes` stay; never the newest, which records what has arrived. */
export function overflow(chunks: LogChunk[], bytes: number): LogChunk[] {
  const end = chunks.at(-1)?.end ?? 0;
  return chunks.slice(0, -1).filter(({ offset }) => end - offset > bytes);
}
