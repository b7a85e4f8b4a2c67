import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import type { Account, Accounts } from "../auth/accounts.ts";
import { clientAddress } from "../auth/client-address.ts";
import { bearerToken, identify } from "../auth/identify.ts";
import type { RecentAccounts } from "../auth/recent-accounts.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { Tokens } from "../auth/tokens.ts";
import type { GroundEnv } from "../http/env.ts";

export type UsersDeps = {
  accounts: Accounts;
  recent: RecentAccounts;
  tokens: Tokens;
  throttle: Throttle;
  trustProxy: boolean;
};

/** Perigee's users, as dialects find out who asks. */
export class Users {
  readonly #deps: UsersDeps;

  constructor(deps: UsersDeps) {
    this.#deps = deps;
  }

  /** The user whose access token `Authorization: Bearer` carries. @throws UNAUTHORIZED */
  async ofBearer(c: Context<GroundEnv>): Promise<Account> {
    return this.ofToken(bearerToken(c.req.header("authorization")));
  }

  /** The user whose access token it is. @throws UNAUTHORIZED */
  ofToken(token: string): Promise<Account> {
    return identify({ accounts: this.#deps.recent, tokens: this.#deps.tokens }, token, "access");
  }

  /**
   * The user of this name and password. Attempts count with the log-ins' and are slowed as those are; each costs a
   * password hash.
   * @throws INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS
   */
  async ofPassword(c: Context<GroundEnv>, name: string, password: string): Promise<Account> {
    const { accounts, throttle, trustProxy } = this.#deps;
    const account = await throttle.attempt(name, clientAddress(c, { trustProxy }), () =>
      accounts.verifyPassword(name, password),
    );
    if (!account) throw new PerigeeError("INVALID_CREDENTIALS", "User name or password is wrong");
    return account;
  }

  /** Makes a user who registers (see {@link Accounts.register}). @throws ALREADY_EXISTS, EDGE_NOT_FOUND */
  register(...of: Parameters<Accounts["register"]>): Promise<Account> {
    return this.#deps.accounts.register(...of);
  }

  /** The address that attempts of who asks are counted by. */
  address(c: Context<GroundEnv>): string {
    return clientAddress(c, { trustProxy: this.#deps.trustProxy });
  }

  /** The account of this name, for a token or a session that the dialect keeps itself. */
  find(name: string): Promise<Account | undefined> {
    return this.#deps.recent.getUser(name);
  }
}
