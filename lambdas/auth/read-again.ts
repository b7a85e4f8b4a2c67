/** What was found not to be enough is read again at most this often (ms). */
const AGAIN_MS = 10_000;

/** Something that is read at its first use, and again where what was read is not enough: keys that another process replaced. */
export class ReadAgain<T> {
  readonly #read: () => Promise<T>;
  #value: Promise<T> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<T | undefined> | undefined;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  /** What was read last. @throws what reading throws: then the next one reads */
  async get(): Promise<T> {
    if (!this.#value) {
      this.#readAt = performance.now();
      this.#value = this.#read();
    }
    try {
      return await this.#value;
    } catch (error) {
      this.#value = undefined;
      throw error;
    }
  }

  /** Reads it again. Anybody can make that needed, so it is done seldom. @returns undefined when it was not, or failed */
  async again(): Promise<T | undefined> {
    if (performance.now() - this.#readAt < AGAIN_MS) return this.#reading;
    this.#readAt = performance.now();
    this.#reading ??= this.#read()
      .then((value) => {
        this.#value = Promise.resolve(value);
        return value;
      })
      // what is known stays
      .catch(() => undefined)
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }
}
