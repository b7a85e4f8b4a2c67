import type { Command } from "commander";
import { type Body, type Client, failureFrom, readJson } from "../client.ts";
import type { CommandView } from "../command-view.ts";
import { CliFailure } from "../failure.ts";
import { settle } from "../follow.ts";
import { parseExact } from "../json.ts";
import { query, type VolumeOptions, volumeFields, withVolume } from "../options.ts";
import { bytes } from "../output/text.ts";
import { action, type Session } from "../session.ts";

type Entry = {
  type: string;
  name: string;
  size?: string;
  time?: string;
  hash?: unknown;
  contents?: Entry[];
};
type Options = VolumeOptions & { recursive?: boolean; hash?: boolean };

/** `perigee ls`: lists a volume. */
export function registerLs(program: Command): void {
  const verb = program
    .command("ls")
    .description("list a volume")
    .argument("[path]", "directory or file in it (default: its root)")
    .option("-R, --recursive", "include its subdirectories")
    .option("--hash", "show XXH64 of every file, as a signed number");
  withVolume(verb).action(action<[string | undefined], Options>(ls));
}

async function ls(
  { client, output }: Session,
  [path = ""]: [string | undefined],
  options: Options,
): Promise<undefined> {
  const patience = client.patience();
  const call = { method: "GET", path: `/em/files/list${query(volumeFields(options))}` } as const;
  const body = await settle(client, await client.whenFree(call, patience), patience, (command) =>
    listed(client, command),
  );
  const entries = select((body.data ?? []) as Entry[], path);
  output.result({ ...body, data: entries }, () => {
    const rows = [...flatten(entries, "", options.recursive === true)];
    if (rows.length === 0) return "(empty)";
    const headers = ["SIZE", "CHANGED (UTC)", ...(options.hash ? ["XXH64"] : []), "NAME"];
    return output.table(
      headers,
      rows.map(({ entry, name }) => [
        bytes(entry.size),
        entry.time?.replace(/^(\d+-\d+-\d+)-(\d+)-(\d+)$/, "$1 $2:$3"),
        ...(options.hash ? [entry.hash ?? "-"] : []),
        name,
      ]),
      { right: options.hash ? [0, 2] : [0], cut: [headers.length - 1] },
    );
  });
}

/** The listing of a command that was answered with 202: in its result, or in staging when it is large. */
async function listed(client: Client, command: CommandView): Promise<Body> {
  const message = "Successfully listed files";
  const { listing } = (command.result ?? {}) as { listing?: string };
  if (listing !== undefined) return { message, data: parseExact(listing) };
  if (!command.content) return { message, data: [] };
  const answer = await client.send({ method: "GET", path: command.content });
  if (answer.status !== 200) throw await failureFrom(answer);
  const content: unknown = await readJson(answer);
  return Array.isArray(content) ? { message, data: content } : (content as Body);
}

/** The entries at `path`: the contents of a directory, or the one file. @throws CliFailure FILE_NOT_FOUND */
function select(entries: Entry[], path: string): Entry[] {
  let inside = entries;
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  for (const [i, part] of parts.entries()) {
    const entry = inside.find(({ name }) => name === part);
    if (!entry) throw new CliFailure("FILE_NOT_FOUND", `${path} does not exist in the volume`);
    if (entry.type !== "directory") {
      if (i < parts.length - 1)
        throw new CliFailure("FILE_NOT_FOUND", `${path} does not exist in the volume`);
      return [entry];
    }
    inside = entry.contents ?? [];
  }
  return inside;
}

function* flatten(entries: Entry[], base: string, deep: boolean): Generator<{ entry: Entry; name: string }> {
  for (const entry of entries) {
    const mark =
      entry.type === "directory" ? "/" : entry.type === "symlink" ? "@" : entry.type === "file" ? "" : "=";
    yield { entry, name: `${base}${entry.name}${mark}` };
    if (deep && entry.contents) yield* flatten(entry.contents, `${base}${entry.name}/`, deep);
  }
}
