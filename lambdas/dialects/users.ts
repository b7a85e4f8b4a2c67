import type { Context } from "hono";
import type { Account, Accounts, EdgeUser } from "../auth/accounts.ts";
import { clientAddress } from "../auth/client-address.ts";
import { type Identifying, identify, identifyBearer } from "../auth/identify.ts";
import type { RecentAccounts } from "../auth/recent-accounts.ts";
import type { Tokens } from "../auth/tokens.ts";
import { type LogInParts, verifyLogIn } from "../auth/verify-log-in.ts";
import type { GroundEnv } from "../http/env.ts";

export type UsersDeps = LogInParts & {
  recent: RecentAccounts;
  tokens: Tokens;
  trustProxy: boolean;
};

/** Perigee's users, as dialects find out who asks. */
export class Users {
  readonly #deps: UsersDeps;

  constructor(deps: UsersDeps) {
    this.#deps = deps;
  }

  /** The user whose access token `Authorization: Bearer` carries. @throws UNAUTHORIZED */
  ofBearer(c: Context<GroundEnv>): Promise<Account> {
    return identifyBearer(this.#identifying, c);
  }

  /** The user whose access token it is. @throws UNAUTHORIZED */
  ofToken(token: string): Promise<Account> {
    return identify(this.#identifying, token, "access");
  }

  get #identifying(): Identifying {
    return { accounts: this.#deps.recent, tokens: this.#deps.tokens };
  }

  /**
   * The user of this name and password. Attempts count with the log-ins' and are slowed as those are; each costs a
   * password hash.
   * @throws INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS
   */
  async ofPassword(c: Context<GroundEnv>, name: string, password: string): Promise<Account> {
    return verifyLogIn(this.#deps, { name, password, address: this.address(c) });
  }

  /** Makes a user who registers (see {@link Accounts.register}). @throws ALREADY_EXISTS, EDGE_NOT_FOUND */
  register(...of: Parameters<Accounts["register"]>): Promise<Account> {
    return this.#deps.accounts.register(...of);
  }

  /** An access token for a user whose password was right, and when it ends, ms since 1970. */
  async accessToken(account: Account): Promise<{ token: string; issuedAt: number; expiresAt: number }> {
    const token = await this.#deps.tokens.issue(account, "access");
    // as the token itself says it, so that both end at one moment
    const { iat = 0, exp = 0 } = JSON.parse(
      Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"),
    ) as { iat?: number; exp?: number };
    return { token, issuedAt: iat * 1000, expiresAt: exp * 1000 };
  }

  /** The edges that an account may use, by name. */
  edges(account: Account): Promise<string[]> {
    return this.#deps.accounts.edgesOf(account);
  }

  /** As the core's `resolveEdge`, for an account that is known: it is not read. @throws EDGE_NOT_FOUND, INVALID_PARAMETERS */
  edgeOf(account: EdgeUser, header: string | undefined): Promise<string> {
    return this.#deps.recent.edgeOf(account, header);
  }

  /** The address that attempts of who asks are counted by. */
  address(c: Context<GroundEnv>): string {
    return clientAddress(c, { trustProxy: this.#deps.trustProxy });
  }

  /**
   * The account of this name, for a token or a session that the dialect keeps itself. One from memory that does not
   * fit is read again from the store.
   */
  find(name: string, fits?: (account: Account) => boolean): Promise<Account | undefined> {
    return this.#deps.recent.getUser(name, fits);
  }

  /** A session that the dialect keeps, as `read` finds it, or from memory as long as an account may be. */
  session<T>(hash: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    return this.#deps.recent.session(hash, read);
  }

  /** A session that has ended. */
  forgetSession(hash: string): void {
    this.#deps.recent.forgetSession(hash);
  }

  /** As {@link find}, never from memory: for who removes what is of another account. */
  stored(name: string): Promise<Account | undefined> {
    return this.#deps.accounts.getUser(name);
  }

  /** Users in the order of their names, those after `after`. */
  page(of: { after: string; limit: number }): Promise<Account[]> {
    return this.#deps.accounts.page(of);
  }

  /** Was it the name of a user who was removed? */
  isFormer(name: string): Promise<boolean> {
    return this.#deps.accounts.isFormer(name);
  }

  /** Removes a user who registered. @throws USER_NOT_FOUND */
  remove(name: string): Promise<void> {
    return this.#deps.accounts.removeUser(name);
  }
}
