import type { WriteChunks } from "../ground/download.ts";

export type RangesOptions = {
  /** bytes from here on are wanted */
  start: number;
  /** of the whole */
  size: number;
  rangeBytes: number;
  /** ranges that are fetched concurrently */
  atOnce: number;
  /**
   * So many ranges from the first that is not written on may be in memory (default `atOnce`): while one connection repeats
   * what was lost, the others go on
   */
  ahead?: number;
  /** the bytes from `start` to before `end`, whatever is cut meanwhile */
  read(start: number, end: number): AsyncIterable<Buffer>;
  /** is given all of them in order, one call after the other */
  write: WriteChunks;
  signal: AbortSignal;
};

/** So many begin together: the first packets of more would not find room in the queue of a thin link. */
const FIRST = 4;

type Range = { chunks: Buffer[]; whole: boolean };

/**
 * Fetches content over several connections at once: on a far link that loses packets, one does not come to the
 * link's rate. It is written in order, so that what is there is always a beginning.
 * @throws RangeError when it is shorter or longer than its size; the signal's reason; what `read` and `write` throw
 */
export async function fetchInRanges(options: RangesOptions): Promise<void> {
  const { start, size, rangeBytes, atOnce, ahead = atOnce, read, write, signal } = options;
  const ranges: Range[] = [];
  const count = Math.ceil((size - start) / rangeBytes);
  const failing = new AbortController();
  let next = 0;
  let written = 0;
  let busy: Promise<void> | undefined;
  let freed = Promise.withResolvers<void>();

  /** Writes what is there of the first range that is not written whole, and of those behind it. */
  const flush = async () => {
    if (busy) return;
    const done = Promise.withResolvers<void>();
    busy = done.promise;
    try {
      for (let range = ranges[written]; range && !failing.signal.aborted; range = ranges[written]) {
        const chunks = range.chunks.splice(0);
        if (chunks.length > 0) await write(chunks);
        else if (!range.whole) break;
        else {
          delete ranges[written++];
          freed.resolve();
          freed = Promise.withResolvers<void>();
        }
      }
    } finally {
      // In the same turn as the last look: what comes later begins anew.
      busy = undefined;
      done.resolve();
    }
  };
  const fetchOne = async (index: number) => {
    const range: Range = { chunks: [], whole: false };
    ranges[index] = range;
    const from = start + index * rangeBytes;
    const end = Math.min(size, from + rangeBytes);
    let at = from;
    for await (const chunk of read(from, end)) {
      signal.throwIfAborted();
      failing.signal.throwIfAborted();
      at += chunk.length;
      if (at > end) break;
      range.chunks.push(chunk);
      if (index === written) await flush();
    }
    if (at !== end) throw new RangeError("the staged file has another size than its manifest says");
    range.whole = true;
    await flush();
  };
  const lane = async (number: number) => {
    while (written <= number - FIRST && next < count && !failing.signal.aborted) await freed.promise;
    while (next < count && !failing.signal.aborted) {
      const index = next++;
      while (index >= written + ahead && !failing.signal.aborted) await freed.promise;
      if (failing.signal.aborted) return;
      await fetchOne(index);
    }
  };
  const lanes = Array.from({ length: Math.min(atOnce, count) }, (_, number) =>
    lane(number).catch((error: unknown) => {
      failing.abort(error);
      freed.resolve();
      throw error;
    }),
  );
  try {
    // Of one that failed the others need not be waited for: they end at their next byte.
    await Promise.all(lanes);
  } finally {
    await busy;
  }
}
