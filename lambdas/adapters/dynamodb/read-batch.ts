/** Keys that one BatchGetItem takes. */
const BATCH_KEYS = 100;

type Wanted<K, V> = { key: K; resolve: (value: V) => void; reject: (error: unknown) => void };

/**
 * Batches reads: those of one turn of the event loop are sent as one request. `read` gets at most 100 keys and
 * returns their values in the same order.
 */
export class ReadBatch<K, V> {
  readonly #read: (keys: K[]) => Promise<V[]>;
  #wanted: Wanted<K, V>[] = [];

  constructor(read: (keys: K[]) => Promise<V[]>) {
    this.#read = read;
  }

  get(key: K): Promise<V> {
    const { promise, resolve, reject } = Promise.withResolvers<V>();
    if (this.#wanted.push({ key, resolve, reject }) === 1) setImmediate(() => this.#flush());
    return promise;
  }

  #flush(): void {
    const wanted = this.#wanted;
    this.#wanted = [];
    for (let at = 0; at < wanted.length; at += BATCH_KEYS) void this.#send(wanted.slice(at, at + BATCH_KEYS));
  }

  async #send(batch: Wanted<K, V>[]): Promise<void> {
    try {
      const values = await this.#read(batch.map(({ key }) => key));
      for (const [index, { resolve }] of batch.entries()) resolve(values[index]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
