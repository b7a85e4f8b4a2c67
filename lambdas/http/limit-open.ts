import { createMiddleware } from "hono/factory";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundEnv } from "./env.ts";

/** As in nginx's log: the client closed the connection before there was an answer. Only metrics see it. */
const CLIENT_CLOSED_REQUEST = 499;

/**
 * Bounds how many requests of one user are open at once in this process, answers that still stream and calls
 * that wait included: each costs memory and looks again every second. Goes behind what sets `user`.
 * @throws TOO_MANY_REQUESTS
 */
export function limitOpen(most: number) {
  const open = new Map<string, number>();
  const counted = new WeakSet<object>();
  return createMiddleware<GroundEnv>(async (c, next) => {
    // Patterns of routes overlap: `/commands/*` is also `/commands`.
    if (counted.has(c.req.raw)) {
      await next();
      return;
    }
    counted.add(c.req.raw);
    const user = c.get("user");
    const count = open.get(user) ?? 0;
    if (count >= most) {
      throw new PerigeeError("TOO_MANY_REQUESTS", `You have ${count} requests open already`);
    }
    const outgoing = c.env?.outgoing;
    if (outgoing?.destroyed) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    open.set(user, count + 1);
    const end = () => {
      const left = (open.get(user) ?? 1) - 1;
      if (left > 0) open.set(user, left);
      else open.delete(user);
    };
    outgoing?.once("close", end);
    try {
      await next();
    } finally {
      // Elsewhere than on Node's server nobody tells when an answer has been sent.
      if (!outgoing) end();
    }
  });
}
