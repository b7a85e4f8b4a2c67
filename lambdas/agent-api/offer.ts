import type { Hono } from "hono";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";

/** POST /agent/offer: what the edge can do now. */
export function registerOffer(app: Hono<GroundEnv>, { ledger, inventory }: AgentApiDeps): void {
  app.post("/offer", async (c) => {
    const { epoch, offer } = await body(c, wire.offerRequest);
    const edge = c.get("edge");
    await ledger.requireEpoch(edge, epoch);
    await inventory.recordOffer(edge, offer);
    return c.json({});
  });
}
