import type { Command } from "commander";
import { acceptedId, type Body, readJson } from "../client.ts";
import type { CommandView } from "../command-view.ts";
import { collectFiles } from "../files/collect.ts";
import { followToSuccess } from "../follow.ts";
import { multipart } from "../http/multipart.ts";
import { type VolumeOptions, volumeFields, withVolume } from "../options.ts";
import { bytes, duration } from "../output/text.ts";
import { action, type Session } from "../session.ts";

const IDLE_MS = 5 * 60_000;

/** `perigee uplink`: files and directories into a volume. All arrive or none. */
export function registerUplink(program: Command): void {
  const verb = program
    .command("uplink")
    .description("send files and directories to a volume; all arrive or none")
    .argument("<files...>", "files, and directories with all that is in them (`dir/.`: without its own name)")
    .option("--dest <path>", "directory in the volume to put them into (default: its root)");
  withVolume(verb).action(action<[string[]], VolumeOptions & { dest?: string }>(uplink));
}

async function uplink(
  { client, output }: Session,
  [sources]: [string[]],
  options: VolumeOptions & { dest?: string },
): Promise<undefined> {
  const files = await collectFiles(sources, (text) => output.notice(text));
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const began = performance.now();
  let sent = 0;
  const fields = { dest_path: options.dest || undefined, ...volumeFields(options) };
  const stream = () => {
    sent = 0;
    return multipart(fields, files, (n) => {
      sent += n;
      output.step("uploading", { done: sent, total });
    });
  };
  const patience = client.patience();
  // Queued, so that its progress on the way to the edge can be seen; without a wait, as the contract answers.
  const prefer: Record<string, string> = patience.limitMs ? { Prefer: "respond-async" } : {};
  const answer = await client.whenFree(
    {
      method: "POST",
      path: "/em/files/uplink",
      headers: prefer,
      stream,
      idleMs: patience.limitMs ? IDLE_MS : undefined,
    },
    patience,
  );
  let body = await readJson(answer);
  if (answer.status === 202) {
    output.step("uploading", { done: total, total });
    body = uplinked(await followToSuccess(client, acceptedId(answer, body), patience));
  }
  output.result(body, () => {
    const count = files.length === 1 ? "1 file" : `${files.length} files`;
    return `Uplinked ${count}, ${bytes(total)}, in ${duration(performance.now() - began)}`;
  });
}

/** The contract's answer, from the command's result. */
function uplinked(command: CommandView): Body {
  const { count = 0, bytes: size = 0 } = (command.result ?? {}) as { count?: number; bytes?: number };
  const data = { file_count: count, total_size_kb: Math.round((size / 1024) * 100) / 100 };
  return { message: "Successfully uplinked files", data };
}
