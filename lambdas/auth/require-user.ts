import { createMiddleware } from "hono/factory";
import type { GroundEnv } from "../http/env.ts";
import { type Identifying, identifyBearer } from "./identify.ts";

/** Requires a user's access token, and puts the user's name into `c.get("user")` and when it was made into `userSince`; otherwise 401. */
export function requireUser(parts: Identifying) {
  return createMiddleware<GroundEnv>(async (c, next) => {
    const account = await identifyBearer(parts, c);
    c.set("user", account.name);
    c.set("userSince", account.createdAt);
    await next();
  });
}
