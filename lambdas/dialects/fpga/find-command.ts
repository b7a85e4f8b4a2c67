import { PerigeeError } from "#protocol/errors.ts";
import type { Command } from "../../ledger/command.ts";
import type { DialectCore } from "../core.ts";

/** A user's command; undefined when the ground has forgotten it. */
export async function findCommand(
  { commands }: Pick<DialectCore, "commands">,
  user: string,
  id: string,
): Promise<Command | undefined> {
  try {
    return await commands.command(user, id);
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "COMMAND_NOT_FOUND") return undefined;
    throw error;
  }
}
