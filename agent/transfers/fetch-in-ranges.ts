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
  /** ranges end at multiples of this (default 1) */
  align?: number;
  /**
   * Keeps a range that begins at `start`, for a next life of the agent: is given what arrives of it while ranges before it are not
   * written, one chunk after the other
   */
  keep?: (start: number) => (chunk: Buffer) => Promise<void>;
  /** the bytes from `start` to before `end`, whatever is cut meanwhile */
  read(start: number, end: number): AsyncIterable<Buffer>;
  /** is given all of them in order, one call after the other */
  write: WriteChunks;
  signal: AbortSignal;
};

/** So many begin together: the first packets of more would not find room in the queue of a thin link. */
const FIRST = 4;

/** The last ranges have at least this part of the others' bytes. */
const SMALLEST = 4;

type Range = { chunks: Buffer[]; whole: boolean };

/**
 * Fetches content over several connections at once: on a far link that loses packets, one does not come to the
 * link's rate. It is written in order, so that what is there is always a beginning.
 * @throws RangeError when it is shorter or longer than its size; the signal's reason; what `read` and `write` throw
 */
export async function fetchInRanges(options: RangesOptions): Promise<void> {
  const { start, size, rangeBytes, atOnce, ahead = atOnce, align = 1, keep, read, write, signal } = options;
  const ranges: Range[] = [];
  const failing = new AbortController();
  let next = 0;
  let nextStart = start;
  let written = 0;
  let busy: Promise<void> | undefined;
  let freed = Promise.withResolvers<void>();

  // The last ranges of large content are smaller: no connection is long at work when the others have nothing left.
  const large = size - start >= 2 * atOnce * rangeBytes;
  const endOf = (from: number) => {
    const fair = large ? Math.ceil((size - from) / (2 * atOnce)) : rangeBytes;
    const end = from + Math.min(rangeBytes, Math.max(fair, Math.ceil(rangeBytes / SMALLEST)));
    const aligned = end - (end % align);
    return Math.min(size, aligned > from ? aligned : end);
  };

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
  const fetchOne = async (index: number, from: number, end: number) => {
    const range: Range = { chunks: [], whole: false };
    ranges[index] = range;
    const keepOne = keep?.(from);
    let at = from;
    for await (const chunk of read(from, end)) {
      signal.throwIfAborted();
      failing.signal.throwIfAborted();
      at += chunk.length;
      if (at > end) break;
      range.chunks.push(chunk);
      if (index === written) await flush();
      else await keepOne?.(chunk);
    }
    if (at !== end) throw new RangeError("the staged file has another size than its manifest says");
    range.whole = true;
    await flush();
  };
  const lane = async (number: number) => {
    while (written <= number - FIRST && nextStart < size && !failing.signal.aborted) await freed.promise;
    while (nextStart < size && !failing.signal.aborted) {
      const index = next++;
      const from = nextStart;
      const end = endOf(from);
      nextStart = end;
      while (index >= written + ahead && !failing.signal.aborted) await freed.promise;
      if (failing.signal.aborted) return;
      await fetchOne(index, from, end);
    }
  };
  const lanes = Array.from({ length: atOnce }, (_, number) =>
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
