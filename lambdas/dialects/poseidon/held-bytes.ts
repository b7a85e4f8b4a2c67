export type Holding = {
  /** So many more; false: there is no room for them. */
  take(bytes: number): boolean;
  giveBack(): void;
};

/** Bytes of bodies that this process holds, for each user and for all: a user may have hundreds of requests open. */
export class HeldBytes {
  readonly #most: { user: number; all: number };
  readonly #held = new Map<string, number>();
  #all = 0;

  constructor(most: { user: number; all: number }) {
    this.#most = most;
  }

  /** What one body of the user holds. */
  open(user: string): Holding {
    let held = 0;
    return {
      take: (bytes) => {
        const own = this.#held.get(user) ?? 0;
        if (own + bytes > this.#most.user || this.#all + bytes > this.#most.all) return false;
        this.#held.set(user, own + bytes);
        this.#all += bytes;
        held += bytes;
        return true;
      },
      giveBack: () => {
        const left = (this.#held.get(user) ?? 0) - held;
        if (left > 0) this.#held.set(user, left);
        else this.#held.delete(user);
        this.#all -= held;
        held = 0;
      },
    };
  }
}
