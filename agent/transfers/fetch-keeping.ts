import { KiB } from "#protocol/limits.ts";
import { fetchInRanges, type RangesOptions } from "./fetch-in-ranges.ts";
import { BLOCK, type KeptAhead } from "./kept-ahead.ts";

/** What was received is made durable after so many bytes, but not more often than every so many ms. */
const SYNC_BYTES = 64 * KiB;
const SYNC_MS = 1000;

/**
 * {@link fetchInRanges}, with what arrives behind a gap kept for a next life of the agent, and what an earlier life has kept not
 * fetched again. Now and then, beside it, what is written and what is kept is made durable: a power cut takes little.
 * @param sync makes what is written durable; reports no errors
 */
export async function fetchKeeping(
  options: Omit<RangesOptions, "align" | "keep">,
  kept: KeptAhead,
  sync: () => Promise<void> = async () => undefined,
): Promise<void> {
  let unsynced = 0;
  let last = performance.now();
  let syncing: Promise<void> | undefined;
  const came = (bytes: number) => {
    unsynced += bytes;
    if (syncing || unsynced < SYNC_BYTES || performance.now() - last < SYNC_MS) return;
    unsynced = 0;
    syncing = Promise.all([sync(), kept.sync()]).then(() => {
      last = performance.now();
      syncing = undefined;
    });
  };
  try {
    await fetchInRanges({
      ...options,
      align: BLOCK,
      read: (start, end) => kept.read(start, end, options.read),
      async write(chunks) {
        await options.write(chunks);
        for (const { length } of chunks) came(length);
      },
      keep(start) {
        const keep = kept.keeping(start);
        return async (chunk) => {
          await keep(chunk);
          came(chunk.length);
        };
      },
    });
    await kept.remove();
  } finally {
    await syncing;
    await kept.close();
  }
}
