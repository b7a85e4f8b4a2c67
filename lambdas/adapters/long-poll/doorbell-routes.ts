import { Hono } from "hono";
import { DOORBELL_CURSOR, DOORBELL_WAIT_S } from "#protocol/doorbell.ts";
import type { MemoryDoorbell } from "./memory-doorbell.ts";

/** `edge` is set by the middleware that checks the agent's token. */
type Env = { Variables: { edge: string } };

/**
 * `GET /doorbell?wait=<seconds, at most 20>&after=<cursor>`: 200 when rung, 204 when not. A 200 carries a
 * cursor in the header `Perigee-Ring`; the client's next `after` acknowledges it. So a ring whose answer was lost,
 * which the server cannot see, is given again. Without `after` it is given once.
 */
export function doorbellRoutes(hub: MemoryDoorbell): Hono<Env> {
  const app = new Hono<Env>();
  app.get("/doorbell", async (c) => {
    const edge = c.get("edge");
    const after = c.req.query("after");
    const cursor = await hub.waitAfter(edge, after ?? "", waitMs(c.req.query("wait")), c.req.raw.signal);
    if (cursor === undefined) return c.body(null, 204);
    if (after === undefined) hub.heard(edge, cursor);
    // with Content-Length, so that the agent can reuse the connection
    return c.body(null, 200, { [DOORBELL_CURSOR]: cursor, "content-length": "0" });
  });
  return app;
}

function waitMs(query: string | undefined): number {
  const seconds = Number(query || DOORBELL_WAIT_S);
  return (seconds >= 0 ? Math.min(seconds, DOORBELL_WAIT_S) : DOORBELL_WAIT_S) * 1000;
}
