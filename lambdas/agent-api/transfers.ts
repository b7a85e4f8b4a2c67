import type { Hono } from "hono";
import type * as z from "zod";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";
import { running } from "./running.ts";

/** POST /agent/transfers, …/parts, …/complete: objects of a running command that the agent sends in parts. */
export function registerTransfers(app: Hono<GroundEnv>, parts: AgentApiDeps): void {
  const { ledger, transfers } = parts;
  app.post("/transfers", async (c) => {
    const request = await body(c, wire.transferRequest);
    const [command, item] = await Promise.all([running(c, ledger, request), transfers.look(request.user)]);
    const begun = await transfers.begin(command, request, { item });
    const { n, transfer, parts: named } = request;
    const asNamed = named && "partBytes" in begun && begun.partBytes === request.partBytes;
    const signed = asNamed && { parts: await transfers.sign(command, { n, transfer, parts: named }) };
    return c.json({ ...begun, ...signed } satisfies z.infer<typeof wire.transferResponse>);
  });

  app.post("/transfers/parts", async (c) => {
    const request = await body(c, wire.transferPartsRequest);
    const command = await running(c, ledger, request);
    const signed = await transfers.sign(command, request);
    return c.json({ parts: signed } satisfies z.infer<typeof wire.transferPartsResponse>);
  });

  app.post("/transfers/complete", async (c) => {
    const request = await body(c, wire.transferCompleteRequest);
    const command = await running(c, ledger, request);
    const answer = await transfers.complete(command, request);
    return c.json(answer satisfies z.infer<typeof wire.transferCompleteResponse>);
  });
}
