import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { Key, LedgerStore } from "../../ports/ledger-store.ts";

/** `n` changes with every renewal. `at`: by the ground's clock, for those who only look. */
export type RelayRecord = { holder: string; n: number; at: number };

export const RELAY_RECORD: Key = { pk: "live", sk: "relay" };
/** A record that was not renewed for this long (ms) is no relay's, for those who only look. */
const LOOK_MS = 2 * LIVE_LIMITS.relayTakeOverMs;

/** Does some process hold the record? By the ground's clock: good enough to refuse early, decides nothing. */
export async function hasRelay(store: LedgerStore, now: number): Promise<boolean> {
  const record = (await store.get<RelayRecord>(RELAY_RECORD))?.data;
  return record !== undefined && now - record.at < LOOK_MS;
}
