import { once } from "node:events";
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { CliFailure, usage } from "../failure.ts";
import { mustBeFree } from "../files/must-be-free.ts";
import { PartFile } from "../files/part-file.ts";
import { isTar, type Sink } from "../http/download.ts";
import { EdgeFile, transfer } from "../http/edge-file.ts";
import { type VolumeOptions, withVolume } from "../options.ts";
import { bytes, fileCount, safe } from "../output/text.ts";
import { action, type Session } from "../session.ts";

type Options = VolumeOptions & { output?: string; extract?: boolean; changed?: boolean; delete?: boolean };

/** `perigee downlink`: a file, or a directory as a tar. */
export function registerDownlink(program: Command): void {
  const verb = program
    .command("downlink")
    .description("fetch a file of a volume, or a directory as a tar")
    .argument("<path>", "path in the volume")
    .option(
      "-o, --output <path>",
      "file or directory to write to, or - for stdout (default: here, under its name)",
    )
    .option("-x, --extract", "unpack a directory instead of leaving its tar")
    .option(
      "--changed",
      "keep a directory here as it is on the edge: fetch what is new or changed since the last time",
    )
    .option("--delete", "with --changed: remove here what is gone on the edge");
  withVolume(verb).action(action<[string], Options>(downlink));
}

async function downlink(session: Session, [path]: [string], options: Options): Promise<undefined> {
  const { client, output, signal } = session;
  if (options.delete && !options.changed) throw usage("--delete goes with --changed");
  if (options.changed) {
    if (options.output === "-") throw usage("--changed needs a directory, not stdout");
    const target = await targetFor(nameOf(path, options), options);
    const { downlinkChanges } = await import("../changes/downlink-changes.ts");
    return downlinkChanges(session, path, target, options);
  }
  const source = new EdgeFile(client, path, options);
  if (options.output === "-") {
    if (options.extract) throw usage("--extract needs a directory to unpack to, not stdout");
    if (output.json && process.stdout.isTTY) throw usage("--json and -o - both want stdout");
    await transfer(session, source, stdoutSink());
    return;
  }
  const name = nameOf(path, options);
  const target = await targetFor(name, options);
  if (options.extract) await mustBeFree(target);
  const { edge, url } = client.options;
  const { pod, volume } = options;
  const part = await PartFile.open(target, { url, edge, pod, volume, path });
  const resumed = part.offset;
  try {
    const answer = await transfer(session, source, part);
    const directory = isTar(answer.headers);
    if (options.extract) {
      if (!directory) throw usage(`${path} is a file: there is nothing to unpack`, "leave --extract out");
      const { extractTar } = await import("../files/extract.ts");
      const found = await extractTar(part.path, target, { notice: (text) => output.notice(text), signal });
      await part.discard();
      const data = { path, directory: target, ...found };
      output.result({ message: "Successfully downlinked directory", data }, () => {
        return `Unpacked ${fileCount(found.files)}, ${bytes(found.bytes)}, to ${safe(target)}`;
      });
      return;
    }
    const file = directory && !(await isNamedByHand(options)) ? `${target}.tar` : target;
    await part.finish(file);
    const data = { path, file, bytes: part.offset, resumed_at: resumed || undefined };
    output.result({ message: "Successfully downlinked file", data }, () => {
      return `Wrote ${safe(file)}, ${bytes(part.offset)}`;
    });
  } catch (error) {
    if (error instanceof CliFailure && error.code === "USAGE") await part.discard();
    else if (await part.leave()) {
      output.notice(`${bytes(part.offset)} are kept; the same command goes on from there`);
    }
    throw error;
  }
}

function nameOf(path: string, { pod, volume }: VolumeOptions): string {
  const last = path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .at(-1);
  return last === undefined || last === ".." ? (volume ?? pod ?? "default") : last;
}

/** Path to write to. A directory is written as `NAME.tar`, which only the answer tells. */
async function targetFor(name: string, { output }: Options): Promise<string> {
  if (output === undefined) return resolve(name);
  if (output.endsWith("/") || (await isExistingDirectory(output))) {
    if (!(await isExistingDirectory(output))) throw usage(`${output} is no directory`);
    return resolve(join(output, name));
  }
  if (!(await isExistingDirectory(dirname(resolve(output)))))
    throw usage(`${dirname(output)} is no directory`);
  return resolve(output);
}

async function isNamedByHand({ output }: Options): Promise<boolean> {
  return output !== undefined && !(await isExistingDirectory(output));
}

async function isExistingDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/** Bytes written to a pipe cannot be undone: the download continues only with the same version of the file. */
function stdoutSink(): Sink {
  const changed = () =>
    new CliFailure("CONNECTION_LOST", "the connection was lost, and the file has changed since it began", {
      hint: "run the command again",
    });
  return {
    offset: 0,
    etag: "",
    async begin(this: { offset: number; etag: string }, etag) {
      if (this.offset > 0 && etag !== this.etag) throw changed();
      this.etag = etag;
    },
    async restart() {
      throw changed();
    },
    async write(this: { offset: number }, chunk) {
      this.offset += chunk.length;
      if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
    },
  };
}
