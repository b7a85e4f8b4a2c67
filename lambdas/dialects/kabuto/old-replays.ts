import { type Item, MAX_WRITES } from "../../ports/ledger-store.ts";
import type { OwnRecords } from "../own-records.ts";
import { recordsOf } from "./objects.ts";
import type { ReplayRecord, ReplaysRecord } from "./records.ts";

/** Idempotency-Keys of a user that are remembered for their day: the newest. */
export const MOST_REPLAYS = 2_000;
/** As many more are written before the oldest are looked for. */
export const SPARE_REPLAYS = 200;

/**
 * Forgets the oldest Idempotency-Keys of a user, once for every {@link SPARE_REPLAYS} that were written.
 * @param counted the user's record of how many were written
 * @returns the `since` that it has from now on
 */
export async function removeOldReplays(
  records: OwnRecords,
  uid: string,
  counted: Item<ReplaysRecord> | undefined,
): Promise<number> {
  if (!counted) return 0;
  if (counted.rev - counted.data.since < SPARE_REPLAYS) return counted.data.since;
  const all: { sk: string; at: number }[] = [];
  for await (const { sk, data } of recordsOf<ReplayRecord>(records, uid, "replay#"))
    all.push({ sk, at: data.at });
  const over = all.sort((a, b) => a.at - b.at).slice(0, Math.max(0, all.length - MOST_REPLAYS));
  for (let at = 0; at < over.length; at += MAX_WRITES) {
    const some = over.slice(at, at + MAX_WRITES);
    await records.transact(some.map(({ sk }) => ({ delete: { pk: uid, sk } })));
  }
  return counted.rev;
}
