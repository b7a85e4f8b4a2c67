import type { ServerResponse } from "node:http";
import { Hono } from "hono";
import { DOORBELL_WAIT_S } from "#protocol/doorbell.ts";
import type { Doorbell, DoorbellListener } from "../ports/doorbell.ts";

/** `edge` is set by whoever checked the agent's token. */
type Env = { Variables: { edge: string }; Bindings: Partial<{ outgoing: ServerResponse }> };

/**
 * `GET /doorbell?wait=<seconds, at most 20>`: 200 when rung, 204 when not. A ring that could not be
 * delivered, because the client has gone, is rung again for its next wait.
 */
export function doorbellRoutes(hub: Doorbell & { listen(edge: string): DoorbellListener }): Hono<Env> {
  const app = new Hono<Env>();
  app.get("/doorbell", async (c) => {
    const edge = c.get("edge");
    const signal = c.req.raw.signal;
    const rung = await hub.listen(edge).wait(waitMs(c.req.query("wait")), signal);
    if (!rung) return c.body(null, 204);
    const outgoing = c.env?.outgoing;
    if (signal.aborted || outgoing?.destroyed) await hub.ring(edge);
    else outgoing?.once("close", () => outgoing.writableFinished || hub.ring(edge));
    return c.body(null, 200);
  });
  return app;
}

function waitMs(query: string | undefined): number {
  const seconds = Number(query || DOORBELL_WAIT_S);
  return (seconds >= 0 ? Math.min(seconds, DOORBELL_WAIT_S) : DOORBELL_WAIT_S) * 1000;
}
