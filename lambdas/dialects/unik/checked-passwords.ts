import { createHmac, randomBytes } from "node:crypto";
import { BoundedMap } from "#protocol/bounded-map.ts";
import type { Account } from "../../auth/accounts.ts";

/** ms for which a password that was right is believed: clients that poll send it each second. */
const MS = 10_000;

/** Passwords that were right a moment ago, so that not every request costs a password hash. */
export class CheckedPasswords {
  readonly #known = new BoundedMap<string, { account: Account; at: number }>(1000);
  readonly #secret = randomBytes(32);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @throws what `check` throws, which is asked where nothing is known */
  async account(name: string, password: string, check: () => Promise<Account>): Promise<Account> {
    const key = createHmac("sha256", this.#secret)
      .update(JSON.stringify([name, password]))
      .digest("base64");
    const at = this.#now();
    const known = this.#known.get(key);
    if (known && at >= known.at && at - known.at < MS) return known.account;
    const account = await check();
    this.#known.set(key, { account, at });
    return account;
  }
}
