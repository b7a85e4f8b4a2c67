import type { Command } from "commander";
import { collect } from "../options.ts";
import { bytes, safe, safeLines } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { archiveForm } from "../unik/archive-form.ts";
import { followBuild } from "../unik/build-log.ts";
import { UnikApi } from "../unik/unik-api.ts";

type Options = {
  image: string;
  base: string;
  lang: string;
  provider: string;
  mount?: string[];
  args?: string;
  force?: boolean;
};
export type UnikImage = { Name: string; SizeMb: number; RunSpec: { Compiler: string } };

/** `perigee compilers` and `perigee compile`: images out of sources. */
export function registerUnikImages(program: Command): void {
  program
    .command("compilers")
    .description("list what the edge makes images with, or say how to prepare sources for one")
    .argument("[name]", "base-language-provider")
    .action(action<[string | undefined], object>(compilers));
  program
    .command("compile")
    .description("make an image of a directory with sources")
    .argument("<directory>")
    .requiredOption("-t, --image <name>", "name of the image")
    .requiredOption(
      "--lang <language>",
      "language of the sources: one of those that `perigee compilers` names",
    )
    .option("--base <base>", "what the image stands on", "docker")
    .option("--provider <provider>", "what runs it", "docker")
    .option("--mount <path>", "place for a volume; repeatable", collect(String))
    .option("--args <text>", "arguments of the application, split as a shell splits them")
    .option("--force", "take the place of an image of this name, whose instances are removed")
    .action(action<[string], Options>(compile));
}

async function compilers({ client, output }: Session, [name]: [string | undefined]): Promise<undefined> {
  const api = new UnikApi(client);
  if (name === undefined) {
    const names = await api.get<string[]>("/available_compilers");
    output.result({ data: names }, () => names.map(safe).join("\n") || "The edge has no compilers");
    return;
  }
  const [base = "", lang = "", provider = ""] = name.split("-");
  const text = await api.text(`/describe_compiler?${new URLSearchParams({ base, lang, provider })}`);
  output.result({ data: { name, description: text } }, () => safeLines(text.trim()));
}

async function compile(session: Session, [directory]: [string], options: Options): Promise<undefined> {
  const { client, output } = session;
  const { image, base, lang, provider, mount = [], args, force } = options;
  const api = new UnikApi(client);
  const path = `/images/${encodeURIComponent(image)}`;
  // what is wrong with the query is said before anything is sent
  const query = new URLSearchParams({ base, lang, provider, ...(force && { force: "true" }) });
  const { packSources } = await import("../unik/pack-sources.ts");
  await using packed = await packSources(directory, (text) => output.notice(text));
  const fields = { args, ...(mount.length > 0 && { mounts: mount.join(",") }) };
  const stream = archiveForm(output, packed.file, fields);
  const headers: Record<string, string> = client.options.waitMs > 0 ? { Prefer: "respond-async" } : {};
  const answer = await api.ask({ method: "POST", path: `${path}/create?${query}`, headers, stream });
  if (answer.status === 202) await followBuild(session, answer);
  else answer.body.resume();
  const made = await api.get<UnikImage>(path);
  output.result(
    { data: made },
    () => `Made ${safe(made.Name)} (${safe(made.RunSpec.Compiler)}, ${bytes(made.SizeMb * 1024 ** 2)})`,
  );
}
