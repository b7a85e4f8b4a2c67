import type { Command } from "commander";
import { settle } from "../follow.ts";
import { type VolumeOptions, volumeFields, withVolume } from "../options.ts";
import { safe } from "../output/text.ts";
import { action, type Session } from "../session.ts";

/** `perigee rm`: deletes files and directories, each with a command of its own. */
export function registerRm(program: Command): void {
  const verb = program
    .command("rm")
    .description("delete files and directories (with their contents) of a volume")
    .argument("<paths...>", "paths in the volume");
  withVolume(verb).action(action<[string[]], VolumeOptions>(rm));
}

async function rm(
  { client, output }: Session,
  [paths]: [string[]],
  options: VolumeOptions,
): Promise<undefined> {
  for (const filepath of paths) {
    const patience = client.patience();
    const json = { filepath, ...volumeFields(options) };
    const answer = await client.whenFree({ method: "POST", path: "/em/files/delete", json }, patience);
    const body = await settle(client, answer, patience, () => ({ message: "File deleted successfully" }));
    output.result({ ...body, data: { filepath } }, () => `Deleted ${safe(filepath)}`);
  }
}
