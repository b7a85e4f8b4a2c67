import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { Lane } from "../ledger/lane.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Staging } from "../ports/staging.ts";

const PAGE = 1000;

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
  async left(user: string, edge: string): Promise<(lane: Pick<Lane, "reserved">) => number> {
    const [staged, down, beat] = await Promise.all([
      this.#stagedByCommand(user),
      this.#staging.usage(`downlink/${user}/`),
      this.#ledger.lastHeartbeat(edge),
    ]);
    const free = this.#quota - down - (beat?.usage[user] ?? 0);
    return ({ reserved }) => {
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

  /** Bytes of a user's uplinks that lie in staging, by command. */
  async #stagedByCommand(user: string): Promise<Map<string, number>> {
    const bytes = new Map<string, number>();
    const prefix = `uplink/${user}/`;
    for (let after: string | undefined; ; ) {
      const page = await this.#staging.list(prefix, { limit: PAGE, ...(after && { after }) });
      for (const { key, size } of page) {
        const command = key.slice(prefix.length).split("/")[1] ?? "";
        bytes.set(command, (bytes.get(command) ?? 0) + size);
      }
      if (page.length < PAGE) return bytes;
      after = page.at(-1)!.key;
    }
  }
}
