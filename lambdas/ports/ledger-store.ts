/**
 * The table under the ledger: items with a two-part key, consistent reads, and transactions with
 * conditions. It maps one to one onto DynamoDB (GetItem, Query, TransactWriteItems) and onto one SQLite
 * table; the ledger's rules are written once, above it.
 */
export type Key = { pk: string; sk: string };

/** An item: JSON data under a key, with a revision that every write raises by one. */
export type Item<T = unknown> = Key & {
  /** 1 for a new item; a conditional write names the revision it read */
  rev: number;
  /** ms since 1970 after which a janitor or TTL may delete it; cleaning only, no meaning rests on it */
  expiresAt?: number;
  data: T;
};

/** `if: 0` = the key must be absent; `if: n` = its revision must be n; none = unconditional. */
export type Write =
  | { put: Key & { expiresAt?: number; data: unknown }; if?: number }
  | { delete: Key; if?: number }
  | { check: Key; if: number };

export type Query = {
  pk: string;
  /** sort keys that begin so */
  prefix?: string;
  /** exclusive bounds */
  after?: string;
  before?: string;
  descending?: boolean;
  limit: number;
  /**
   * What the caller remembers of an item at this revision, undefined where it is nothing: given as it is, it is not read
   * from the item's text again. For keys that are never used again after they were deleted, as revisions begin anew then.
   */
  known?: (sk: string, rev: number) => unknown;
};

/** Most bytes of a key's parts: what DynamoDB holds. Nothing is found under a longer one, or an empty one. */
export const KEY_BYTES = { pk: 2048, sk: 1024 };
/** Most writes of one transaction. */
export const MAX_WRITES = 25;
/** Most bytes of an item's data as JSON: DynamoDB holds 400 KB with keys and all. */
export const ITEM_BYTES = 350 * 1024;

/** Most bytes of all data of a transaction as JSON: DynamoDB takes 4 MB with keys and all. */
export const TRANSACTION_BYTES = 3_800_000;

/** A condition of a transaction did not hold: `index` is the first write whose condition failed. */
export class ConditionFailed extends Error {
  override readonly name = "ConditionFailed";
  readonly index: number;
  constructor(index: number) {
    super(`condition of write ${index} does not hold`);
    this.index = index;
  }
}

export interface LedgerStore {
  /**
   * The item as last committed, or undefined. Reads that are asked for in one turn of the event loop may share
   * a request: who needs several items asks for them at once.
   */
  get<T>(key: Key): Promise<Item<T> | undefined>;
  /**
   * Items of one partition in sort-key order (bytewise), at most `limit`.
   *
   * @example The next page begins behind the last key of the one before.
   * const first = await store.query<Note>({ pk: "notes#ada", limit: 100 });
   * const next = await store.query<Note>({ pk: "notes#ada", after: first.at(-1)?.sk, limit: 100 });
   */
  query<T>(query: Query): Promise<Item<T>[]>;
  /**
   * All writes or none, durable when it returns. At most {@link MAX_WRITES}, each to another key.
   * @throws ConditionFailed when a condition does not hold; a transient conflict is retried inside.
   * @throws RangeError when data is over {@link ITEM_BYTES} or {@link TRANSACTION_BYTES}, or a key over {@link KEY_BYTES} or empty
   *
   * @example Counts up, unless somebody else has changed the item since it was read: then it throws ConditionFailed.
   * const key = { pk: "counts", sk: "em1" };
   * const item = await store.get<{ count: number }>(key);
   * const count = (item?.data.count ?? 0) + 1;
   * await store.transact([{ put: { ...key, data: { count } }, if: item?.rev ?? 0 }]);
   */
  transact(writes: Write[]): Promise<void>;
  /** Deletes items whose `expiresAt` is before `now` (ms), at most `limit`; returns how many. */
  sweep(now: number, limit: number): Promise<number>;
  close(): Promise<void>;
}
