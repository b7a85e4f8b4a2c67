import { createMiddleware } from "hono/factory";
import { PRIORITY } from "#protocol/priority.ts";
import type { GroundEnv } from "../http/env.ts";
import { bearerToken, type Identifying, identify } from "./identify.ts";

/** Requires a user's access token, and puts the user's name into `c.get("user")` when it was made into `userSince` and the priorities that it may ask for into `priorities`; otherwise 401. */
export function requireUser(parts: Identifying) {
  return createMiddleware<GroundEnv>(async (c, next) => {
    const account = await identify(parts, bearerToken(c.req.header("authorization")), "access");
    c.set("user", account.name);
    c.set("userSince", account.createdAt);
    c.set("priorities", account.priority ?? PRIORITY);
    await next();
  });
}
