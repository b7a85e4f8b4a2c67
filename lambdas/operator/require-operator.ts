import { createMiddleware } from "hono/factory";
import { PerigeeError } from "#protocol/errors.ts";
import type { Account } from "../auth/accounts.ts";
import type { GroundEnv } from "../http/env.ts";

/**
 * Lets operators alone through; behind a middleware that sets `user`. The account is read from the store: who is no
 * operator any more is none at once.
 */
export function requireOperator(accounts: { getUser(name: string): Promise<Account | undefined> }) {
  return createMiddleware<GroundEnv>(async (c, next) => {
    const account = await accounts.getUser(c.get("user"));
    if (!account?.operator) throw new PerigeeError("OPERATOR_ONLY", "Only an operator may do this");
    await next();
  });
}
