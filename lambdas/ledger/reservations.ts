import type { Write } from "../ports/ledger-store.ts";
import type { Entry } from "./entry.ts";
import { keys } from "./keys.ts";
import { decodeLane, type LaneRecord } from "./lane-record.ts";
import type { LedgerDeps } from "./ledger-deps.ts";

/** What is reserved in other lanes, and the write that keeps two reservations of a user from missing each other. */
export type Elsewhere = { reserved: readonly Entry[]; writes: readonly Write[] };

export const NOTHING_ELSEWHERE: Elsewhere = { reserved: [], writes: [] };

/**
 * Reservations in the lanes of an edge other than `lane`. A user's quota is one over all lanes, while each lane has a
 * revision of its own: so whoever reserves rewrites an item of that user and edge, which is read before the lanes.
 * With one lane nothing is read.
 */
export async function reservedElsewhere(
  { store, lanes }: LedgerDeps,
  { edge, user }: { edge: string; user: string },
  lane: string,
): Promise<Elsewhere> {
  const others = lanes.names.filter((name) => name !== lane);
  if (others.length === 0) return NOTHING_ELSEWHERE;
  const key = keys.reservations(edge, user);
  const guard = await store.get(key);
  const records = await Promise.all(others.map((name) => store.get<LaneRecord>(keys.lane(edge, name))));
  const reserved = records.flatMap((record) => (record ? decodeLane(record.data).reserved : []));
  return { reserved, writes: [{ put: { ...key, data: {} }, if: guard?.rev ?? 0 }] };
}
