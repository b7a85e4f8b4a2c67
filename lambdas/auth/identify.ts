import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { PRIORITY } from "#protocol/priority.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Account, Accounts } from "./accounts.ts";
import type { Tokens, TokenUse } from "./tokens.ts";

export type AuthParts = { accounts: Accounts; tokens: Tokens };

/** A cached account that fails the check `fits` is read again from the store. */
export type Identifying = {
  accounts: { getUser(name: string, fits: (account: Account) => boolean): Promise<Account | undefined> };
  tokens: Tokens;
};

/**
 * The user whose token this is, as the store has them now.
 * @throws UNAUTHORIZED, also when the user was removed, made again, or got another password since
 */
export async function identify(parts: Identifying, token: string, use: TokenUse): Promise<Account> {
  const identity = await parts.tokens.verify(token, use);
  const isMeant = (account: Account) =>
    account.uid === identity.uid && account.generation === identity.generation;
  const account = await parts.accounts.getUser(identity.name, isMeant);
  if (!account || !isMeant(account)) {
    throw new PerigeeError("UNAUTHORIZED", "Token is invalid or expired");
  }
  return account;
}

/**
 * The user whose access token a request carries. What that user's commands may ask for is noted with the request, so
 * that it is not read again.
 * @throws UNAUTHORIZED
 */
export async function identifyBearer(parts: Identifying, c: Context<GroundEnv>): Promise<Account> {
  const account = await identify(parts, bearerToken(c.req.header("authorization")), "access");
  c.set("priorities", account.priority ?? PRIORITY);
  return account;
}

/**
 * The token of an `Authorization: Bearer` header, whose scheme may be written in any case.
 * @throws UNAUTHORIZED when there is none
 */
export function bearerToken(header: string | undefined): string {
  const token = /^bearer +(\S+) *$/i.exec(header ?? "")?.[1];
  if (token === undefined) {
    throw new PerigeeError("UNAUTHORIZED", "A bearer token is needed in the Authorization header");
  }
  return token;
}
