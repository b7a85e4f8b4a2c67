import type { Context } from "hono";
import { PRIORITY } from "#protocol/priority.ts";
import type { GroundEnv } from "../http/env.ts";
import { readExpires } from "../http/expires.ts";
import { readPriority } from "../http/priority.ts";
import type { Account } from "./accounts.ts";

/** What a request says of when its command is to be taken: a part of its draft. */
export type CommandOrder = { priority?: number; expiresAt?: number };

/** Reads the headers of a request that submits a command for `user`. @throws INVALID_PARAMETERS */
export type ReadCommandOrder = (c: Context<GroundEnv>, user: string) => Promise<CommandOrder>;

/** `Perigee-Expires`, and `Perigee-Priority` within what its user may have. */
export function commandOrder(deps: {
  accounts: { getUser(name: string): Promise<Account | undefined> };
  now: () => number;
}): ReadCommandOrder {
  return async (c, user) => {
    const expiresAt = readExpires(c.req.header("perigee-expires"), deps.now());
    const bounds = c.get("priorities") ?? (await deps.accounts.getUser(user))?.priority;
    const priority = readPriority(c.req.header("perigee-priority"), bounds);
    return {
      ...(priority !== PRIORITY.usual && { priority }),
      ...(expiresAt !== undefined && { expiresAt }),
    };
  };
}
