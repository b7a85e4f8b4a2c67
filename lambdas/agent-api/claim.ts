import type { Hono } from "hono";
import type * as z from "zod";
import { killPoint } from "#protocol/kill-point.ts";
import { asAgentTakes } from "#protocol/older-agents.ts";
import { OPERATIONS } from "#protocol/operations.ts";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { EdgeAgent } from "../ledger/edge-agent.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";
import { wishesFor } from "./live-wish.ts";
import { servable } from "./servable.ts";
import { signFiles } from "./urls.ts";

/** POST /agent/claim: of many commands with `room`, else of one. */
export function registerClaim(app: Hono<GroundEnv>, parts: AgentApiDeps): void {
  const { ledger, changes, staging } = parts;
  const told = (commands: Command[], agent: EdgeAgent | undefined, written = true): wire.ClaimedCommand[] => {
    for (const command of commands) changes.changed(command.id, written ? command : undefined);
    return commands.map((command) => claimedCommand(command, agent ?? {}));
  };

  app.post("/claim", async (c) => {
    const { room, ...request } = await body(c, wire.claimRequest);
    const edge = c.get("edge");
    if (!room) {
      for (;;) {
        const [command, agent] = await Promise.all([
          ledger.claim(edge, request.epoch),
          ledger.edgeAgent(edge),
        ]);
        if (!command) return c.body(null, 204);
        killPoint("agent.claimed");
        const of = { edge, epoch: request.epoch, agent: agent ?? {} };
        const [given] = (await servable(parts, [command], of)).given;
        if (given) return c.json(told([given], agent, false)[0]);
      }
    }
    const [{ resumed: again, commands: taken, more, ...rest }, agent, wishes] = await Promise.all([
      ledger.claimMany(edge, { ...request, room }),
      ledger.edgeAgent(edge),
      wishesFor(parts, edge),
    ]);
    if (taken.length > 0) killPoint("agent.claimed");
    const of = { edge, epoch: request.epoch, agent: agent ?? {} };
    const [resumed, fresh] = await Promise.all([servable(parts, again, of), servable(parts, taken, of)]);
    const given = told(fresh.given, agent);
    const signed = await Promise.all(fresh.given.map((command) => signFiles(staging, command, ["manifest"])));
    return c.json({
      ...rest,
      more: more || resumed.more || fresh.more,
      // read, and perhaps not written: they may have ended since
      resumed: told(resumed.given, agent, false),
      commands: given.map((command, i) => ({ ...command, ...(signed[i] && { manifest: signed[i][0] }) })),
      lanes: ledger.widths(),
      ...wishes,
    } satisfies z.infer<typeof wire.claimResponse>);
  });
}

function claimedCommand(command: Command, agent: Partial<EdgeAgent>): wire.ClaimedCommand {
  const { id, user, operation, attempts, lane, group, order, priority } = command;
  const given = asAgentTakes(command, agent)!;
  return {
    id,
    user,
    operation: given.operation,
    input: given.input,
    attempts,
    deadline: OPERATIONS[operation].deadline,
    cancelRequested: command.cancelRequestedAt !== undefined,
    ...(command.kill && { kill: command.kill }),
    hasFiles: command.staged !== undefined,
    lane,
    ...(group !== undefined && { group }),
    ...(order && { order }),
    ...(priority !== undefined && { priority }),
  };
}
