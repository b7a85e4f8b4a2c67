import { BoundedMap } from "#protocol/bounded-map.ts";
import type { Account, Accounts, EdgeUser } from "./accounts.ts";

/** Cached entries of each kind; the oldest are dropped first. */
const MOST = 10_000;

/**
 * A cache of accounts that are at most `ms` old, for checking tokens where each read is a request to a database. Only
 * what was found is cached: a new account is valid at once; a removed account, a changed password, a revoked grant or
 * agent's token is noticed within `ms`. It uses the wall clock, since a frozen Lambda's monotonic clock stands still.
 */
export class RecentAccounts {
  readonly #accounts: Accounts;
  readonly #users: Recent<Account | undefined>;
  readonly #edges: Recent<string>;
  readonly #agents: Recent<string | undefined>;
  readonly #sessions: Recent<unknown>;

  constructor(accounts: Accounts, options: { ms: number; now: () => number }) {
    this.#accounts = accounts;
    this.#users = new Recent(options);
    this.#edges = new Recent(options);
    this.#agents = new Recent(options);
    this.#sessions = new Recent(options);
  }

  /** A cached account that fails the check is read again from the store. */
  getUser(name: string, fits?: (account: Account) => boolean): Promise<Account | undefined> {
    return this.#users.get(name, () => this.#accounts.getUser(name), fits as (value: unknown) => boolean);
  }

  /** A session that a dialect keeps, by its secret's hash. */
  session<T>(hash: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    return this.#sessions.get(hash, read) as Promise<T | undefined>;
  }

  /** It has ended, which this process need not wait to notice. */
  forgetSession(hash: string): void {
    this.#sessions.forget(hash);
  }

  edgeOfToken(token: string): Promise<string | undefined> {
    return this.#agents.get(token, () => this.#accounts.edgeOfToken(token));
  }

  /** As {@link Accounts.resolveEdge}. */
  async resolveEdge(name: string, header: string | undefined): Promise<string> {
    const account = await this.getUser(name);
    if (!account) return this.#accounts.resolveEdge(name, header);
    return this.edgeOf(account, header);
  }

  /** As {@link Accounts.edgeOf}. */
  edgeOf(account: EdgeUser, header: string | undefined): Promise<string> {
    return this.#edges.get(JSON.stringify([account.uid, account.defaultEdge, header]), () =>
      this.#accounts.edgeOf(account, header),
    );
  }
}

class Recent<V> {
  readonly #ms: number;
  readonly #now: () => number;
  readonly #known = new BoundedMap<string, { value: V; at: number }>(MOST);

  constructor({ ms, now }: { ms: number; now: () => number }) {
    this.#ms = ms;
    this.#now = now;
  }

  async get(key: string, read: () => Promise<V>, fits: (value: V) => boolean = () => true): Promise<V> {
    const at = this.#now();
    const known = this.#known.get(key);
    // a clock that was set back must not extend the life of an entry
    if (known && at >= known.at && at - known.at < this.#ms && fits(known.value)) return known.value;
    this.#known.delete(key);
    const value = await read();
    if (value === undefined) return value;
    this.#known.set(key, { value, at });
    return value;
  }

  forget(key: string): void {
    this.#known.delete(key);
  }
}
