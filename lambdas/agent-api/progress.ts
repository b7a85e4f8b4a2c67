import type { Hono } from "hono";
import * as z from "zod";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";

const request = z.union([wire.progressManyRequest, wire.progressRequest]);

/** POST /agent/progress: how running commands get on, and which of them should stop; of many with `commands`. */
export function registerProgress(app: Hono<GroundEnv>, { ledger, changes }: AgentApiDeps): void {
  app.post("/progress", async (c) => {
    const told = await body(c, request);
    const edge = c.get("edge");
    if ("commands" in told) {
      const stops = await ledger.noteProgress(edge, told.epoch, told.commands);
      for (const { command } of told.commands) changes.changed(command);
      return c.json(stops satisfies z.infer<typeof wire.progressManyResponse>);
    }
    const cancel = await ledger.progress(edge, told.epoch, told.user, told.command, told.progress);
    changes.changed(told.command);
    return c.json({ cancel } satisfies z.infer<typeof wire.progressResponse>);
  });
}
