/** Bytes of bodies that this process holds, for each user and for all: a user may have hundreds of requests open. */
export class HeldBytes {
  readonly #most: { user: number; all: number };
  readonly #held = new Map<string, number>();
  #all = 0;

  constructor(most: { user: number; all: number }) {
    this.#most = most;
  }

  /** @returns gives them back, once; undefined: there is no room for so many */
  take(user: string, bytes: number): (() => void) | undefined {
    const own = (this.#held.get(user) ?? 0) + bytes;
    if (own > this.#most.user || this.#all + bytes > this.#most.all) return undefined;
    this.#held.set(user, own);
    this.#all += bytes;
    return () => {
      const left = this.#held.get(user)! - bytes;
      if (left > 0) this.#held.set(user, left);
      else this.#held.delete(user);
      this.#all -= bytes;
    };
  }
}
