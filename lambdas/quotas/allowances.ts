import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { ReserveBytes } from "../ledger/draft.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Staging } from "../ports/staging.ts";
import { keptPrefix } from "../ports/staging-key.ts";
import { stagedByCommand } from "./staged-bytes.ts";

/**
 * What a user may still bring up to an edge: the quota, less what lies on the edge and in staging, less what is
 * kept for uplinks that are coming in. Those are counted whole from the moment they are reserved, in the
 * transaction that reserves, so that several at once do not each get all that is left.
 */
export class Allowances {
  readonly #staging: Staging;
  readonly #ledger: Ledger;
  readonly #quota: number;

  /** @param quota bytes per user over volumes, images and staging */
  constructor(parts: { staging: Staging; ledger: Ledger; quota: number }) {
    this.#staging = parts.staging;
    this.#ledger = parts.ledger;
    this.#quota = parts.quota;
  }

  /**
   * Reads what is used, and returns how many bytes are left by an edge's reservations.
   * @throws QUOTA_EXCEEDED (the function) when nothing is left
   */
  async left(user: string, edge: string): Promise<ReserveBytes> {
    const [staged, down, kept, beat] = await Promise.all([
      stagedByCommand(this.#staging, "uplink", user),
      this.#staging.usage(`downlink/${user}/`),
      this.#staging.usage(keptPrefix(user)),
      this.#ledger.lastHeartbeat(edge),
    ]);
    const free = this.#quota - down - kept - (beat?.usage[user] ?? 0);
    return (reserved) => {
      const used = new Map(staged);
      for (const place of reserved) {
        if (place.user !== user) continue;
        // what has come in of it is part of what is kept for it
        used.set(place.id, Math.max(place.bytes ?? 0, used.get(place.id) ?? 0));
      }
      const left = used.values().reduce((rest, bytes) => rest - bytes, free);
      if (left <= 0) throw byteQuotaExceeded();
      return left;
    };
  }
}
