import { createMiddleware } from "hono/factory";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Accounts } from "./accounts.ts";
import { bearerToken } from "./identify.ts";

/** Requires an agent's token, and puts the id of its edge into `c.get("edge")`; otherwise 401. */
export function requireAgent(parts: { accounts: Pick<Accounts, "edgeOfToken"> }) {
  return createMiddleware<GroundEnv>(async (c, next) => {
    const edge = await parts.accounts.edgeOfToken(bearerToken(c.req.header("authorization")));
    if (edge === undefined) throw new PerigeeError("UNAUTHORIZED", "The agent's token is not valid");
    c.set("edge", edge);
    await next();
  });
}
