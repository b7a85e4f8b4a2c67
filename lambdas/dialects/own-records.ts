import { Serial } from "#protocol/serial.ts";
import type { Item, Key, LedgerStore, Query, Write } from "../ports/ledger-store.ts";

/**
 * The records of one dialect in the ground's store. Every partition key gets the prefix `<name>#`, so that no dialect
 * reads or writes another's records, or the core's.
 */
export class OwnRecords {
  readonly #store: LedgerStore;
  readonly #prefix: string;
  readonly #turns = new Serial();

  /** @param name of the dialect */
  constructor(store: LedgerStore, name: string) {
    this.#store = store;
    this.#prefix = `${name}#`;
  }

  /** As {@link LedgerStore.get}; keys go in and come out without the prefix. */
  async get<T>(key: Key): Promise<Item<T> | undefined> {
    const item = await this.#store.get<T>(this.#own(key));
    return item && { ...item, pk: key.pk };
  }

  /** As {@link LedgerStore.query}. */
  async query<T>(query: Query): Promise<Item<T>[]> {
    const items = await this.#store.query<T>({ ...query, pk: `${this.#prefix}${query.pk}` });
    return items.map((item) => ({ ...item, pk: query.pk }));
  }

  /** As {@link LedgerStore.transact}. @throws ConditionFailed */
  transact(writes: readonly Write[]): Promise<void> {
    return this.#store.transact(this.writes(writes));
  }

  /**
   * Changes of one record by this process take turns under its name, so that they do not lose races against each other:
   * fifty at once would be read and tried a thousand times. Other processes still may be faster.
   */
  inTurn<T>(name: string, change: () => Promise<T>): Promise<T> {
    return this.#turns.run(name, change);
  }

  /** The same writes as the store takes them, for a transaction of the core: a submit's, or a command's end. */
  writes(writes: readonly Write[]): Write[] {
    return writes.map((write) => {
      if ("put" in write) return { ...write, put: { ...write.put, ...this.#own(write.put) } };
      if ("delete" in write) return { ...write, delete: this.#own(write.delete) };
      return { ...write, check: this.#own(write.check) };
    });
  }

  #own({ pk, sk }: Key): Key {
    return { pk: `${this.#prefix}${pk}`, sk };
  }
}
