import type { Hono } from "hono";
import type * as z from "zod";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import * as wire from "#protocol/pool-wire.ts";
import type { GroundEnv } from "../http/env.ts";
import { body, parse } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";

/** GET and POST /agent/pool: the wanted pools of the edge, and what became of their runners. */
export function registerPools(app: Hono<GroundEnv>, { ledger, pools }: AgentApiDeps): void {
  app.get("/pool", async (c) => {
    const { epoch } = parse(wire.wantedQuery, c.req.query());
    const edge = c.get("edge");
    await ledger.requireEpoch(edge, epoch);
    return c.json((await pools.wanted(edge)) satisfies z.infer<typeof wire.wantedResponse>);
  });

  app.post("/pool", async (c) => {
    const { epoch, ...told } = await body(c, wire.poolRequest, LIMITS.reportBytes);
    const edge = c.get("edge");
    await ledger.requireEpoch(edge, epoch);
    const answer = await pools.exchange(edge, told);
    killPoint("agent.pools-told");
    return c.json(answer satisfies z.infer<typeof wire.poolResponse>);
  });
}
