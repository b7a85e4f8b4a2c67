import type { Command } from "commander";
import { MiB } from "#protocol/limits.ts";
import { acceptedId, type Body, type Client, readJson } from "../client.ts";
import type { CommandView } from "../command-view.ts";
import { CliFailure, usage } from "../failure.ts";
import { collectFiles, type LocalFile, namedFile } from "../files/collect.ts";
import { followToSuccess } from "../follow.ts";
import { multipart } from "../http/multipart.ts";
import { type VolumeOptions, volumeFields, withVolume } from "../options.ts";
import { bytes, duration, fileCount } from "../output/text.ts";
import { offeredUplinks } from "../parts/offered-uplinks.ts";
import type { Target } from "../parts/uplink-in-parts.ts";
import { action, type Session } from "../session.ts";

const IDLE_MS = 5 * 60_000;
/** Up to so many bytes every ground takes as one body: no question is worth it. */
const ASK_OVER = 1 * MiB;
/** Of a larger file only what differs is sent, where the edge can tell. */
const DELTA_OVER = 1 * MiB;

type Options = VolumeOptions & { dest?: string; delta?: boolean; base?: string };

/** `perigee uplink`: files and directories into a volume. All arrive or none. */
export function registerUplink(program: Command): void {
  const verb = program
    .command("uplink")
    .description("send files and directories to a volume; all arrive or none")
    .argument("<files...>", "files, and directories with all that is in them (`dir/.`: without its own name)")
    .option("--dest <path>", "directory in the volume to put them into (default: its root)")
    .option(
      "--delta",
      "send of one file only what differs from the edge's, however small it is or long it takes to ask",
    )
    .option(
      "--base <file>",
      "what is at the path of the one file on the edge: what differs is packed with it",
    )
    .option(
      "--no-delta",
      "send all of it (default: what differs, of one file over 1 MiB, while the edge is in contact)",
    );
  withVolume(verb).action(action<[string[]], Options>(uplink));
}

async function uplink(session: Session, [sources]: [string[]], options: Options): Promise<undefined> {
  const { output } = session;
  const files = await collectFiles(sources, (text) => output.notice(text));
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const began = performance.now();
  const target = { dest_path: options.dest || undefined, ...volumeFields(options) };
  const body =
    (await sendDelta(session, files, target, options)) ?? (await sendFiles(session, files, target, total));
  output.result(body, () => {
    return `Uplinked ${fileCount(files.length)}, ${bytes(total)}, in ${duration(performance.now() - began)}`;
  });
}

/** One file as what differs from the edge's; undefined when that is not to be had, or not worth it. */
async function sendDelta(
  session: Session,
  files: LocalFile[],
  target: Target,
  { delta, base }: Options,
): Promise<Body | undefined> {
  const [file, ...others] = files;
  if (base !== undefined && (delta === false || others.length > 0))
    throw usage("--base is for a delta of one file");
  if (delta === false || file === undefined) return undefined;
  if (delta && others.length > 0) throw usage("--delta takes one file");
  const asked = delta === true || base !== undefined;
  if (!asked && (others.length > 0 || file.size <= DELTA_OVER)) return undefined;
  const { tellsChunks, uplinkDelta } = await import("../delta/uplink-delta.ts");
  if (!asked && !(await tellsChunks(session.client))) return undefined;
  const old = base === undefined ? undefined : await namedFile("--base", base);
  return uplinkDelta(session, file, { target, asked, old }, uplinked);
}

/** In one body, or in parts where the ground asks for that or takes no such body. */
async function sendFiles(session: Session, files: LocalFile[], target: Target, total: number): Promise<Body> {
  const inParts = async () => {
    const { uplinkInParts } = await import("../parts/uplink-in-parts.ts");
    return uplinkInParts(session, files, target, uplinked);
  };
  if (total > ASK_OVER && total > (await partsOver(session.client))) return inParts();
  try {
    return await uplinkInOneBody(session, files, target, total);
  } catch (error) {
    if (!(error instanceof CliFailure) || error.fields.status !== 413) throw error;
    return await inParts().catch((failure) => {
      // A ground that knows no parts: what it said first is what the user can do something about.
      throw failure instanceof CliFailure && failure.code === "NOT_FOUND" ? error : failure;
    });
  }
}

/** The files as one multipart body. */
async function uplinkInOneBody(
  { client, output }: Session,
  files: LocalFile[],
  target: Target,
  total: number,
): Promise<Body> {
  let sent = 0;
  const stream = () => {
    sent = 0;
    return multipart(target, files, (n) => {
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
  const body = await readJson(answer);
  if (answer.status !== 202) return body;
  output.step("uploading", { done: total, total });
  return uplinked(await followToSuccess(client, acceptedId(answer, body), patience));
}

/** Bytes over which the ground wants an uplink in parts, as it says itself; one that says nothing takes none. */
async function partsOver(client: Client): Promise<number> {
  const { parts_over } = await offeredUplinks(client);
  const over = Number(parts_over ?? Number.NaN);
  return Number.isNaN(over) ? Number.POSITIVE_INFINITY : over;
}

/** The contract's answer, from the command's result. */
function uplinked(command: CommandView): Body {
  const { count = 0, bytes: size = 0 } = (command.result ?? {}) as { count?: number; bytes?: number };
  const data = { file_count: count, total_size_kb: Math.round((size / 1024) * 100) / 100 };
  return { message: "Successfully uplinked files", data };
}
