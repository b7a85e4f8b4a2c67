/**
 * Keeps cleaning and builds apart. What a build has made so far has no name in the engine, and looks just like what an
 * earlier one left behind; a label for each command would tell them apart, but no step would ever be in the engine's
 * cache again.
 */
export class BuildGate {
  #building = 0;
  #cleaning: Promise<void> | undefined;

  /** Does `work`, a build from its plan to its name, once no cleaning is under way; none begins until it has ended. */
  async build<T>(work: () => Promise<T>): Promise<T> {
    while (this.#cleaning) await this.#cleaning.catch(() => undefined);
    this.#building++;
    try {
      return await work();
    } finally {
      this.#building--;
    }
  }

  /** Does `work`, unless a build is under way: the one that ends last has it done. */
  async clean(work: () => Promise<void>): Promise<void> {
    while (this.#cleaning) await this.#cleaning.catch(() => undefined);
    if (this.#building > 0) return;
    const cleaning = work();
    this.#cleaning = cleaning;
    try {
      await cleaning;
    } finally {
      this.#cleaning = undefined;
    }
  }
}
