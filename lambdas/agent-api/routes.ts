import { Hono } from "hono";
import type * as z from "zod";
import { killPoint } from "#protocol/kill-point.ts";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import { body, parse } from "./body.ts";
import { registerClaim } from "./claim.ts";
import { registerCommandLogs } from "./command-logs.ts";
import type { AgentApiDeps } from "./deps.ts";
import { registerInventory } from "./inventory.ts";
import { wishesFor } from "./live-wish.ts";
import { registerOffer } from "./offer.ts";
import { registerPools } from "./pools.ts";
import { registerProgress } from "./progress.ts";
import { readBytes } from "./read.ts";
import { registerReport } from "./report.ts";
import { registerTransfers } from "./transfers.ts";
import { registerUrls } from "./urls.ts";
import { registerWindows } from "./windows.ts";

/** The agent's side of the ground, under `/agent`, behind the agent's token (protocol/wire.ts). */
export function agentRoutes(parts: AgentApiDeps): Hono<GroundEnv> {
  const { ledger, runs, podLogs, changes } = parts;
  const app = new Hono<GroundEnv>();

  app.post("/start", async (c) => {
    const { journal, ...agent } = await body(c, wire.startRequest);
    const edge = c.get("edge");
    const before = await ledger.edgeLanes(edge);
    const at = ledger.now();
    const epoch = await ledger.startAgent(edge, journal, agent);
    killPoint("agent.started");
    // some of them may have ended by it
    for (const { running, queue } of before.values()) {
      for (const { id } of [...running, ...queue]) changes.changed(id);
    }
    parts.log.info({ edge, epoch, version: agent.version }, "agent started");
    return c.json({ edge, epoch, lanes: ledger.widths(), at } satisfies z.infer<typeof wire.startResponse>);
  });

  registerClaim(app, parts);
  registerProgress(app, parts);
  registerReport(app, parts);
  registerUrls(app, parts);
  registerCommandLogs(app, parts);
  registerInventory(app, parts);
  registerOffer(app, parts);
  registerTransfers(app, parts);
  registerPools(app, parts);
  registerWindows(app, parts);

  app.post("/heartbeat", async (c) => {
    const beat = await body(c, wire.heartbeatRequest);
    const edge = c.get("edge");
    const [wishes, windows] = await Promise.all([
      wishesFor(parts, edge),
      parts.windows.revision(edge),
      ledger.heartbeat(edge, beat),
    ]);
    const plan = windows !== undefined && { windows };
    return c.json({ quota: parts.quota, ...wishes, ...plan } satisfies z.infer<
      typeof wire.heartbeatResponse
    >);
  });

  app.post("/pods", async (c) => {
    const { epoch, pods } = await body(c, wire.podsRequest);
    const edge = c.get("edge");
    await ledger.requireEpoch(edge, epoch);
    await runs.record(edge, pods);
    for (const { user, pod, run, state } of pods) {
      if ("terminated" in state) podLogs.ended({ edge, user, pod, run });
    }
    return c.json({});
  });

  app.put("/logs", async (c) => {
    const { epoch, ...chunk } = parse(wire.logsQuery, c.req.query());
    await ledger.requireEpoch(c.get("edge"), epoch);
    const data = await readBytes(c, wire.LOG_CHUNK_BYTES);
    const followed = await podLogs.append({ edge: c.get("edge"), ...chunk, data });
    return c.json({ followed } satisfies z.infer<typeof wire.logsResponse>);
  });

  return app;
}
