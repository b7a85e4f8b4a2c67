import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";

/** Deletes the files that came with a command; those that its dialect keeps stay, they are not the command's. */
export async function removeUplinked(
  staging: Pick<Staging, "deletePrefix">,
  { staged }: Pick<Command, "staged">,
): Promise<void> {
  if (staged?.startsWith("uplink/")) await staging.deletePrefix(staged);
}
