import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Standing } from "./view.ts";

/** How a command stands now, as far as the command itself does not tell. */
export async function standingOf(ledger: Ledger, command: Command): Promise<Standing> {
  if (command.state === "queued") return ledger.waits(command);
  if (command.state === "running") {
    return { contact: (await ledger.inContact(command.edge)) ? "ok" : "lost" };
  }
  return {};
}
