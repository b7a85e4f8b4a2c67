import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** The command that this agent runs under its epoch. @throws STALE_EPOCH, COMMAND_NOT_FOUND */
export async function running(
  c: Context<GroundEnv>,
  ledger: Ledger,
  of: { epoch: number; user: string; command: string },
): Promise<Command> {
  const [, command] = await Promise.all([
    ledger.requireEpoch(c.get("edge"), of.epoch),
    ledger.command(of.user, of.command),
  ]);
  if (command.edge !== c.get("edge") || command.state !== "running") {
    throw new PerigeeError("COMMAND_NOT_FOUND", `There is no running command ${of.command}`);
  }
  return command;
}
