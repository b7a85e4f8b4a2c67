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
      const [command, agent] = await Promise.all([ledger.claim(edge, request.epoch), ledger.edgeAgent(edge)]);
      if (!command) return c.body(null, 204);
      killPoint("agent.claimed");
      return c.json(told([command], agent, false)[0]);
    }
    const [{ resumed, commands, ...rest }, agent, wishes] = await Promise.all([
      ledger.claimMany(edge, { ...request, room }),
      ledger.edgeAgent(edge),
      wishesFor(parts, edge),
    ]);
    if (commands.length > 0) killPoint("agent.claimed");
    const given = told(commands, agent);
    const signed = await Promise.all(commands.map((command) => signFiles(staging, command, ["manifest"])));
    return c.json({
      ...rest,
      // read, and perhaps not written: they may have ended since
      resumed: told(resumed, agent, false),
      commands: given.map((command, i) => ({ ...command, ...(signed[i] && { manifest: signed[i][0] }) })),
      lanes: ledger.widths(),
      ...wishes,
    } satisfies z.infer<typeof wire.claimResponse>);
  });
}

function claimedCommand(command: Command, agent: Partial<EdgeAgent>): wire.ClaimedCommand {
  const { id, user, operation, attempts, lane, group, order, priority } = command;
  // One that it cannot be given in any shape is for the agent to refuse.
  const given = asAgentTakes(command, agent) ?? command;
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
