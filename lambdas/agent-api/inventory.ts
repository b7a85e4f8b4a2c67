import type { Hono } from "hono";
import { LIMITS } from "#protocol/limits.ts";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";

/** POST /agent/inventory: the images and volumes of a user, when they have changed. */
export function registerInventory(app: Hono<GroundEnv>, { ledger, inventory }: AgentApiDeps): void {
  app.post("/inventory", async (c) => {
    const { epoch, ...report } = await body(c, wire.inventoryRequest, LIMITS.reportBytes);
    const edge = c.get("edge");
    await ledger.requireEpoch(edge, epoch);
    await inventory.record(edge, report);
    return c.json({});
  });
}
