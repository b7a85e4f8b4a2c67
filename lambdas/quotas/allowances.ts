import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { ReserveBytes } from "../ledger/draft.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Staging } from "../ports/staging.ts";
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
  readonly #kept: (user: string) => Promise<number>;

  /**
   * @param quota bytes per user over volumes, images and staging
   * @param kept bytes of a user that live as long as their owner's record
   */
  constructor(parts: {
    staging: Staging;
    ledger: Ledger;
    quota: number;
    kept: (user: string) => Promise<number>;
  }) {
    this.#staging = parts.staging;
    this.#ledger = parts.ledger;
    this.#quota = parts.quota;
    this.#kept = parts.kept;
  }

  /**
   * Reads what is used, and returns how many bytes are left by an edge's reservations.
   * @throws QUOTA_EXCEEDED (the function) when nothing is left
   */
  async left(user: string, edge: string): Promise<ReserveBytes> {
    const left = await this.#left(user, edge);
    return (reserved) => {
      const bytes = left(reserved);
      if (bytes <= 0) throw byteQuotaExceeded();
      return bytes;
    };
  }

  /** Bytes that are left now by all that is reserved on the edge; below 0 when the quota is overdrawn. */
  async bytesLeft(user: string, edge: string): Promise<number> {
    const [left, lanes] = await Promise.all([this.#left(user, edge), this.#ledger.edgeLanes(edge)]);
    return left([...lanes.values()].flatMap(({ reserved }) => reserved));
  }

  async #left(user: string, edge: string): Promise<ReserveBytes> {
    const [staged, down, kept, beat] = await Promise.all([
      stagedByCommand(this.#staging, "uplink", user),
      this.#staging.usage(`downlink/${user}/`),
      this.#kept(user),
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
      return used.values().reduce((rest, bytes) => rest - bytes, free);
    };
  }
}
