import { doublingMs } from "#protocol/backoff.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { ConditionFailed, type LedgerStore } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";
import { Gate } from "./gate.ts";
import { keys, sha256 } from "./keys.ts";

/** Failures without a delay: of one user from one address, and of one address over all users. */
const FREE_FAILURES = { pair: 5, address: 20 };
const MAX_DELAY_MS = 60_000;
/** Failures are forgotten this long after the last one. */
const MEMORY_MS = 15 * 60_000;
/** Users remembered per address; an address that fails with more of them is delayed as an address anyway. */
const MAX_PAIRS = 64;
/** Attempts of one address that are checked at the same time, and that wait; further ones are refused. */
const AT_ONCE = 2;
const WAITING = 100;

/** Failed attempts, and the time of the last one in ms since 1970. */
type Count = { failures: number; last: number };
/** Pairs by a hash of the user's name, since users type passwords into the name field by mistake. */
type Attempts = { address: Count; pairs: Record<string, Count> };

/**
 * Delays log-ins of an address, and of a user from an address, after failures; never of that user from elsewhere.
 * There is one expiring item per address in the store, so that it works over several servers. An item is written only
 * after a password was hashed, which bounds how fast their number grows.
 */
export class Throttle {
  readonly #store: LedgerStore;
  readonly #now: () => number;
  readonly #gates = new Map<string, Gate>();

  /** @param options.now clock in ms since 1970 (default Date.now) */
  constructor(store: LedgerStore, options: { now?: () => number } = {}) {
    this.#store = store;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Returns what `verify` returns, which is undefined for a failed log-in. It is not called during a delay.
   * @throws TOO_MANY_ATTEMPTS with `retryAfter` (seconds) in its data
   */
  async attempt<R>(
    user: string,
    address: string,
    verify: () => Promise<R | undefined>,
  ): Promise<R | undefined> {
    const gate = this.#gates.get(address) ?? new Gate(AT_ONCE, WAITING);
    this.#gates.set(address, gate);
    try {
      // Checked inside the gate: a burst cannot pass before its first failures are counted.
      return await gate.run(() => this.#attempt(sha256(user).slice(0, 16), address, verify));
    } finally {
      if (gate.idle) this.#gates.delete(address);
    }
  }

  async #attempt<R>(pair: string, address: string, verify: () => Promise<R | undefined>) {
    const known = await this.#read(address);
    const wait = Math.max(
      this.#delay(known.data.address, FREE_FAILURES.address),
      this.#delay(known.data.pairs[pair], FREE_FAILURES.pair),
    );
    if (wait > 0) throw tooMany(Math.ceil(wait / 1000));
    const result = await verify();
    const change = result === undefined ? this.#failed.bind(this) : succeeded;
    if (result !== undefined && !known.data.pairs[pair]) return result;
    try {
      await this.#change(address, (attempts) => change(attempts, pair));
    } catch (error) {
      // So many servers count attempts of this address at the same time that it must be a flood.
      if (error instanceof ConditionFailed && result === undefined) throw tooMany(1);
      if (!(error instanceof ConditionFailed)) throw error;
    }
    return result;
  }

  /** Ms until the next attempt is allowed. */
  #delay(count: Count | undefined, free: number): number {
    if (!count || count.failures < free) return 0;
    const delay = doublingMs(1000, MAX_DELAY_MS, count.failures - free);
    return count.last + delay - this.#now();
  }

  #failed({ address, pairs }: Attempts, pair: string): Attempts {
    const last = this.#now();
    const others = Object.entries(pairs)
      .filter(([name]) => name !== pair)
      .sort(([, a], [, b]) => b.last - a.last)
      .slice(0, MAX_PAIRS - 1);
    return {
      address: { failures: address.failures + 1, last },
      pairs: { ...Object.fromEntries(others), [pair]: { failures: (pairs[pair]?.failures ?? 0) + 1, last } },
    };
  }

  async #change(address: string, change: (attempts: Attempts) => Attempts): Promise<void> {
    await optimistically(async () => {
      const { data, rev } = await this.#read(address);
      const put = { ...keys.attempts(address), expiresAt: this.#now() + MEMORY_MS, data: change(data) };
      await this.#store.transact([{ put, if: rev }]);
    });
  }

  /** The failures of an address, without those that are too old to count. */
  async #read(address: string): Promise<{ data: Attempts; rev: number }> {
    const item = await this.#store.get<Attempts>(keys.attempts(address));
    const now = this.#now();
    // Without those far in the future too: a clock that was set back must not lock anybody out.
    const fresh = (count: Count | undefined) =>
      count !== undefined && count.last > now - MEMORY_MS && count.last <= now + MAX_DELAY_MS;
    return {
      rev: item?.rev ?? 0,
      data: {
        address: item && fresh(item.data.address) ? item.data.address : { failures: 0, last: 0 },
        pairs: Object.fromEntries(Object.entries(item?.data.pairs ?? {}).filter(([, count]) => fresh(count))),
      },
    };
  }
}

/** The right password clears the pair, not the address: otherwise an attacker's own account would clear it. */
function succeeded({ address, pairs }: Attempts, pair: string): Attempts {
  const { [pair]: _cleared, ...others } = pairs;
  return { address, pairs: others };
}

function tooMany(seconds: number): PerigeeError {
  return new PerigeeError("TOO_MANY_ATTEMPTS", `Too many failed log-ins; try again in ${seconds} s`, {
    data: { retryAfter: seconds, retry_after: seconds },
  });
}
