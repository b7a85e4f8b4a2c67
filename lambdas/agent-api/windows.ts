import type { Hono } from "hono";
import * as wire from "#protocol/contact-window.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundEnv } from "../http/env.ts";
import { parse } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";

/** GET /agent/windows: the edge's plan of contact windows. 404 where there never was one. */
export function registerWindows(app: Hono<GroundEnv>, { ledger, windows }: AgentApiDeps): void {
  app.get("/windows", async (c) => {
    const { epoch } = parse(wire.windowsQuery, c.req.query());
    const edge = c.get("edge");
    await ledger.requireEpoch(edge, epoch);
    const plan = await windows.plan(edge);
    if (!plan) throw new PerigeeError("NOT_FOUND", `Edge ${edge} has no plan of contact windows`);
    return c.json(plan satisfies wire.WindowPlan);
  });
}
