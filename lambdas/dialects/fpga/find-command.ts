import type { Command } from "../../ledger/command.ts";
import { unlessNoCommand } from "../../ledger/refusals.ts";
import type { DialectCore } from "../core.ts";

/** A user's command; undefined when the ground has forgotten it. */
export async function findCommand(
  { commands }: Pick<DialectCore, "commands">,
  user: string,
  id: string,
): Promise<Command | undefined> {
  return commands.command(user, id).catch(unlessNoCommand);
}
