import type { Hono } from "hono";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import { parse } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";
import { readBytes } from "./read.ts";

/** PUT /agent/command-logs: the next chunk of what a command wrote while it worked. */
export function registerCommandLogs(app: Hono<GroundEnv>, { ledger, commandLogs }: AgentApiDeps): void {
  app.put("/command-logs", async (c) => {
    const { epoch, end, ...chunk } = parse(wire.commandLogsQuery, c.req.query());
    const edge = c.get("edge");
    await ledger.requireEpoch(edge, epoch);
    const data = await readBytes(c, wire.LOG_CHUNK_BYTES);
    await commandLogs.append({ edge, ...chunk, data });
    if (end === "1") await commandLogs.end({ edge, ...chunk });
    return c.json({});
  });
}
