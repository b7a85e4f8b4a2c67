import { once } from "node:events";
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { acceptedId, type Client, failureFrom, readJson } from "../client.ts";
import { CliFailure, usage } from "../failure.ts";
import { mustBeFree } from "../files/must-be-free.ts";
import { PartFile } from "../files/part-file.ts";
import { followToSuccess } from "../follow.ts";
import type { Answer } from "../http/call.ts";
import { isTar, rangeHeaders, type Sink } from "../http/download.ts";
import { type DownloadSource, receiveThroughCuts } from "../http/receive-through-cuts.ts";
import { query, type VolumeOptions, volumeFields, withVolume } from "../options.ts";
import { bytes, fileCount, safe } from "../output/text.ts";
import type { Patience } from "../patience.ts";
import { action, type Session } from "../session.ts";

type Options = VolumeOptions & { output?: string; extract?: boolean };

const IDLE_MS = 120_000;
const RELEASE_MS = 10_000;

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
    .option("-x, --extract", "unpack a directory instead of leaving its tar");
  withVolume(verb).action(action<[string], Options>(downlink));
}

async function downlink(session: Session, [path]: [string], options: Options): Promise<undefined> {
  const { client, output, signal } = session;
  const source = new Source(client, path, options);
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

async function transfer(session: Session, source: Source, sink: Sink): Promise<Answer> {
  const answer = await receiveThroughCuts(session, source, sink, "downlinking");
  session.client.current = undefined;
  // It expires after a day anyway, so a ground that fails to delete it now is no error.
  await source.release().catch(() => undefined);
  return answer;
}

/** One file on the edge, fetched as often as needed, but brought to the ground only once if possible. */
class Source implements DownloadSource {
  readonly #client: Client;
  readonly #path: string;
  readonly #patience: Patience;
  #content: string | undefined;
  /** ask for the contract's own answer, for which nothing is kept on the ground */
  #direct: boolean;

  constructor(client: Client, path: string, options: VolumeOptions) {
    this.#client = client;
    this.#patience = client.patience();
    this.#direct = this.#patience.limitMs === 0;
    this.#path = `/em/files/downlink${query({ filepath: path, ...volumeFields(options) })}`;
  }

  /** Everything was received: deletes the copy on the ground, so that it no longer counts towards the quota. */
  async release(): Promise<void> {
    if (!this.#content) return;
    const answer = await this.#client.send({ method: "DELETE", path: this.#content, idleMs: RELEASE_MS });
    answer.body.resume();
  }

  /** The copy on the ground is not the one that was begun: the next attempt brings the file down again. */
  forget(): void {
    this.#content = undefined;
  }

  /** `same`: it is the object that an earlier, cut answer was a part of. */
  async open(sink: Sink): Promise<{ answer: Answer; same: boolean }> {
    const range = rangeHeaders(sink);
    if (this.#content) {
      const answer = await this.#client.send({
        method: "GET",
        path: this.#content,
        headers: range,
        idleMs: IDLE_MS,
      });
      if (answer.status === 200 || answer.status === 206) return { answer, same: true };
      // It was fetched and deleted, or only a part of it is there: bring it down again.
      answer.body.resume();
      this.#content = undefined;
    }
    const prefer: Record<string, string> = this.#direct ? {} : { Prefer: "respond-async" };
    const call = { method: "GET", path: this.#path, headers: { ...range, ...prefer } } as const;
    const answer = await this.#client.whenFree(call, this.#patience);
    if (answer.status !== 202) return { answer, same: false };
    const id = acceptedId(answer, await readJson(answer));
    const command = await followToSuccess(this.#client, id, this.#patience);
    const content = command.content ?? `/commands/${id}/content`;
    const fetched = await this.#client.send({ method: "GET", path: content, idleMs: IDLE_MS });
    if (fetched.status === 404 && !this.#direct) {
      fetched.body.resume();
      this.#direct = true;
      return this.open(sink);
    }
    if (fetched.status >= 300) throw await failureFrom(fetched);
    this.#content = content;
    return { answer: fetched, same: false };
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
