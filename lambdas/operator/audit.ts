import { LIMITS } from "#protocol/limits.ts";
import type { Key, LedgerStore } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";

/** What an operator asked for. It never has a password, a token or anything else that is secret. */
export type Deed = {
  /** who: a user, or the account of the ground's machine from which the command was given */
  who: string;
  by: "http" | "cli";
  /** such as `edge hold` */
  verb: string;
  /** which edge, user, lane or file it was about */
  about: string[];
};

export type AuditEntry = Deed & {
  /** grows with each entry */
  n: number;
  /** ms since 1970 */
  at: number;
};

/** How many were written. */
type HeadRecord = { next: number };

/** Characters of each text of an entry. */
const TEXT = 200;

/**
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `operator-audit` | `head` | {@link HeadRecord} |
 * | `operator-deeds` | `<n>`, twelve digits | {@link AuditEntry}, expiring |
 * | `operator-audit` | `<n modulo 10,000>`, five digits | {@link AuditEntry}, as earlier versions wrote it |
 */
const keys = {
  head: { pk: "operator-audit", sk: "head" } as Key,
  entries: "operator-deeds",
  entry: (n: number): Key => ({ pk: keys.entries, sk: String(n).padStart(12, "0") }),
  slots: "operator-audit",
  slot: (n: number): string => String(n % SLOTS).padStart(5, "0"),
};
const SLOTS = 10_000;

/**
 * What operators did, for 90 days. Their number has no bound: an operator who could push entries out could hide what
 * they did.
 */
export class OperatorAudit {
  readonly #store: LedgerStore;
  readonly #now: () => number;

  constructor(store: LedgerStore, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Notes it, before it is done: nothing is done unnoted, and what was refused afterwards stands there too. */
  async note({ who, by, verb, about }: Deed): Promise<void> {
    await optimistically(async () => {
      const head = await this.#store.get<HeadRecord>(keys.head);
      const n = head?.data.next ?? 0;
      const at = this.#now();
      const data: AuditEntry = {
        n,
        at,
        who: who.slice(0, TEXT),
        by,
        verb: verb.slice(0, TEXT),
        about: about.slice(0, 5).map((text) => text.slice(0, TEXT)),
      };
      await this.#store.transact([
        { put: { ...keys.head, data: { next: n + 1 } satisfies HeadRecord }, if: head?.rev ?? 0 },
        { put: { ...keys.entry(n), data, expiresAt: at + LIMITS.historyMs } },
      ]);
    });
  }

  /** The newest first, those before entry `before`. */
  async page({ before, limit }: { before?: number | undefined; limit: number }): Promise<AuditEntry[]> {
    const items = await this.#store.query<AuditEntry>({
      pk: keys.entries,
      ...(before !== undefined && { before: keys.entry(before).sk }),
      descending: true,
      limit,
    });
    const entries = items.map(({ data }) => data);
    if (entries.length < limit) {
      const end =
        entries.at(-1)?.n ?? before ?? (await this.#store.get<HeadRecord>(keys.head))?.data.next ?? 0;
      entries.push(...(await this.#earlier(end, limit - entries.length)));
    }
    const kept = this.#now() - LIMITS.historyMs;
    return entries.filter(({ at }) => at > kept);
  }

  /** Those before `end` that an earlier version wrote: down from its slot, and then down from the last slot of all. */
  async #earlier(end: number, limit: number): Promise<AuditEntry[]> {
    const round = end - (end % SLOTS);
    const below = async (slot: string, from: number, to: number) => {
      const items = await this.#store.query<AuditEntry>({
        pk: keys.slots,
        before: slot,
        descending: true,
        limit,
      });
      return items.map(({ data }) => data).filter(({ n }) => n >= from && n < to);
    };
    const entries = await below(keys.slot(end), round, end);
    // the head comes after all digits
    if (entries.length < limit && round > 0) entries.push(...(await below(keys.head.sk, 0, round)));
    return entries.slice(0, limit);
  }
}
