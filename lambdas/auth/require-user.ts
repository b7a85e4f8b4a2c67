import { createMiddleware } from "hono/factory";
import type { GroundEnv } from "../http/env.ts";
import { bearerToken, type Identifying, identify } from "./identify.ts";

/** Lets a request with a user's access token through, with the user's name in `c.get("user")`; else 401. */
export function requireUser(parts: Identifying) {
  return createMiddleware<GroundEnv>(async (c, next) => {
    const account = await identify(parts, bearerToken(c.req.header("authorization")), "access");
    c.set("user", account.name);
    await next();
  });
}
