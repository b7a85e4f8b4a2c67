import type { LiveWish } from "#protocol/live.ts";
import type { Key, LedgerStore } from "../ports/ledger-store.ts";

/** What the relay wishes of the edges' agents, for the answers to their claims and heartbeats. */
export interface SocketsWanted {
  /** @param untilMs ms for which the wish stands */
  want(edge: string, wish: LiveWish, untilMs: number): Promise<void>;
  /** undefined: none are wanted */
  wanted(edge: string): Promise<LiveWish | undefined>;
}

type Wanted = { wish: LiveWish; until: number };

/** Where one server is all of the ground. */
export class MemorySocketsWanted implements SocketsWanted {
  readonly #now: () => number;
  readonly #wanted = new Map<string, Wanted>();

  constructor(now: () => number) {
    this.#now = now;
  }

  async want(edge: string, wish: LiveWish, untilMs: number): Promise<void> {
    if (wish.sockets === 0) this.#wanted.delete(edge);
    else this.#wanted.set(edge, { wish, until: this.#now() + untilMs });
  }

  async wanted(edge: string): Promise<LiveWish | undefined> {
    const known = this.#wanted.get(edge);
    return known && known.until > this.#now() ? known.wish : undefined;
  }
}

const keyOf = (edge: string): Key => ({ pk: `edge#${edge}`, sk: "live" });

/**
 * Where several processes serve one ground. It is read in the turn in which a claim reads its lanes, and so in the same
 * request.
 */
export class StoredSocketsWanted implements SocketsWanted {
  readonly #store: LedgerStore;
  readonly #now: () => number;

  constructor(store: LedgerStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  async want(edge: string, wish: LiveWish, untilMs: number): Promise<void> {
    const until = this.#now() + untilMs;
    const data: Wanted = { wish, until };
    await this.#store.transact([{ put: { ...keyOf(edge), expiresAt: until, data } }]);
  }

  async wanted(edge: string): Promise<LiveWish | undefined> {
    const known = (await this.#store.get<Wanted>(keyOf(edge)))?.data;
    return known && known.until > this.#now() && known.wish.sockets > 0 ? known.wish : undefined;
  }
}
