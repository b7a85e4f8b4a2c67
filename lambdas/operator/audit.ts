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

/** How many were written: entry `n` is in slot `n` modulo {@link AUDIT_ENTRIES}. */
type HeadRecord = { next: number };

/** Entries that are kept: the oldest gives its place to the next. */
export const AUDIT_ENTRIES = 10_000;
/** Characters of each text of an entry. */
const TEXT = 200;

/**
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `operator-audit` | `head` | {@link HeadRecord} |
 * | `operator-audit` | `<slot>`, five digits | {@link AuditEntry}, expiring |
 */
const keys = {
  entries: "operator-audit",
  head: { pk: "operator-audit", sk: "head" } as Key,
  entry: (n: number): Key => ({ pk: keys.entries, sk: slot(n % AUDIT_ENTRIES) }),
};

/** What operators did, for 90 days, and at most 10,000 entries of it. */
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
    const next = (await this.#store.get<HeadRecord>(keys.head))?.data.next ?? 0;
    const end = Math.min(before ?? next, next);
    const oldest = Math.max(0, next - AUDIT_ENTRIES);
    const from = Math.max(oldest, end - limit);
    if (from >= end) return [];
    // where the slots begin anew there are two ranges
    const anew = Math.floor((end - 1) / AUDIT_ENTRIES) * AUDIT_ENTRIES;
    const ranges = await Promise.all([
      this.#range(Math.max(from, anew), end),
      this.#range(from, Math.min(anew, end)),
    ]);
    const kept = this.#now() - LIMITS.historyMs;
    return ranges.flat().filter(({ n, at }) => n >= from && n < end && at > kept);
  }

  /** Those from `from` to before `end`, whose slots lie in one row. */
  async #range(from: number, end: number): Promise<AuditEntry[]> {
    if (from >= end) return [];
    const items = await this.#store.query<AuditEntry>({
      pk: keys.entries,
      before: slot(((end - 1) % AUDIT_ENTRIES) + 1),
      descending: true,
      limit: end - from,
    });
    return items.map(({ data }) => data);
  }
}

function slot(n: number): string {
  return String(n).padStart(5, "0");
}
