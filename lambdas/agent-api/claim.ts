import type { Hono } from "hono";
import type * as z from "zod";
import { killPoint } from "#protocol/kill-point.ts";
import { OPERATIONS } from "#protocol/operations.ts";
import * as wire from "#protocol/wire.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";

/** POST /agent/claim: of many commands with `room`, else of one. */
export function registerClaim(app: Hono<GroundEnv>, { ledger, changes }: AgentApiDeps): void {
  const told = (commands: Command[]): wire.ClaimedCommand[] => {
    for (const command of commands) changes.changed(command.id);
    return commands.map(claimedCommand);
  };

  app.post("/claim", async (c) => {
    const { room, ...request } = await body(c, wire.claimRequest);
    const edge = c.get("edge");
    if (!room) {
      const command = await ledger.claim(edge, request.epoch);
      if (!command) return c.body(null, 204);
      killPoint("agent.claimed");
      return c.json(told([command])[0]);
    }
    const { resumed, commands, ...rest } = await ledger.claimMany(edge, { ...request, room });
    killPoint("agent.claimed");
    return c.json({
      ...rest,
      resumed: told(resumed),
      commands: told(commands),
      lanes: ledger.widths(),
    } satisfies z.infer<typeof wire.claimResponse>);
  });
}

function claimedCommand(command: Command): wire.ClaimedCommand {
  const { id, user, operation, input, attempts, lane, group, order } = command;
  return {
    id,
    user,
    operation,
    input,
    attempts,
    deadline: OPERATIONS[operation].deadline,
    cancelRequested: command.cancelRequestedAt !== undefined,
    hasFiles: command.staged !== undefined,
    lane,
    ...(group !== undefined && { group }),
    ...(order && { order }),
  };
}
