import { readFile, writeFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { containerImageId } from "#lambdas/fields/container-image-id.ts";
import { CliFailure, EXIT, usage } from "../failure.ts";
import { FpgaApi } from "../fpga/fpga-api.ts";
import { followImage, registerImage } from "../fpga/register-image.ts";
import { parseExact } from "../json.ts";
import { collect } from "../options.ts";
import { record } from "../output/table.ts";
import { safe } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { DEFAULT_BUCKET, registerFpgaStores } from "./fpga-stores.ts";

type RegisterOptions = {
  name: string;
  meta?: [string, string][];
  metadataFile?: string;
  description?: string;
  bucket: string;
  swapWords?: boolean;
  sign?: string;
  wait?: number | false;
};

/** `perigee fpga`: FPGA images, from a file to a pod that starts on a programmed device. */
export function registerFpga(program: Command): void {
  const fpga = program
    .command("fpga")
    .description("FPGA images: register, associate, and see what they are loaded on");
  fpga
    .command("register")
    .description("upload a file and register it; ends when the edge holds it (with --no-wait at once)")
    .argument("<file>", "ends with .bin or xclbin")
    .requiredOption("--name <name>", "letters, digits, _ and -")
    .option("--meta <key=value>", "metadata, as text; repeatable", collect(pair))
    .option("--metadata-file <file>", "metadata as a JSON object")
    .option("--description <text>", "what it is")
    .option("--bucket <bucket>", "bucket that the file is put into", DEFAULT_BUCKET)
    .option(
      "--swap-words",
      "turn round the bytes of every word before the upload: for a device of the other byte order",
    )
    .option("--sign <key>", "sign the file with this Ed25519 private key (PEM), for devices that trust it")
    .action(action<[string], RegisterOptions>(register));
  fpga.command("list").description("list your FPGA images").action(action<[], object>(list));
  fpga
    .command("show")
    .description("show one image")
    .argument("<image>", "id, or a name that one image has")
    .action(action<[string], object>(show));
  fpga
    .command("log")
    .description("save the log of an image: its checks and its loads, a tar")
    .argument("<image>")
    .option("-o, --output <file>", "where to (default: <id>_log.tar)")
    .action(action<[string], { output?: string }>(log));
  fpga
    .command("rm")
    .description("delete an image")
    .argument("<image>")
    .action(action<[string], object>(remove));
  for (const [name, method] of [
    ["associate", "POST"],
    ["dissociate", "DELETE"],
  ] as const) {
    fpga
      .command(name)
      .description(
        method === "POST"
          ? "runs of a container image on an FPGA node get this FPGA image from now on"
          : "the contrary of associate",
      )
      .argument("<image>", "FPGA image: id, or a name that one has")
      .argument("<container-image>", "name[:tag]")
      .action(
        action<[string, string], object>((session, [image, container]) =>
          relate(session, method, image, container),
        ),
      );
  }
  fpga
    .command("associations")
    .description("container images (by id) that an FPGA image is associated with")
    .argument("<image>")
    .action(action<[string], object>(associations));
  registerFpgaStores(fpga);
}

async function register(session: Session, [file]: [string], options: RegisterOptions): Promise<number> {
  const { name, bucket, description, swapWords, sign: key } = options;
  const metadata = await metadataOf(options);
  const of = {
    ...{ file, name, bucket, metadata, swapWords, key },
    ...(description !== undefined && { description }),
  };
  const id = await registerImage(session, of);
  if (options.wait === false) {
    session.output.result(
      { fpga_image: { id, status: "saving" } },
      () => `Registered ${safe(name)} as ${id}`,
    );
    return EXIT.ok;
  }
  const image = await followImage(session, id);
  const note = image.message === null ? "" : `: ${safe(image.message)}`;
  session.output.result({ fpga_image: image }, () => `${safe(name)} (${id}) is ${image.status}${note}`);
  return image.status === "active" ? EXIT.ok : EXIT.failed;
}

async function list({ client, output }: Session): Promise<undefined> {
  const images = await (await FpgaApi.open(client)).images();
  output.result({ fpgaimages: images }, () => {
    if (images.length === 0) return "You have no FPGA images";
    const rows = images.map(({ id, name, status, size, format, message }) => [
      id,
      name,
      status,
      size,
      format,
      message,
    ]);
    return output.table(["ID", "NAME", "STATUS", "MB", "FORMAT", "MESSAGE"], rows, { right: [3], cut: [5] });
  });
}

async function show({ client, output }: Session, [wanted]: [string]): Promise<undefined> {
  const image = await (await FpgaApi.open(client)).image(wanted);
  output.result({ fpga_image: image }, () =>
    record(
      Object.fromEntries(
        Object.entries(image).map(([key, value]) => [
          key,
          typeof value === "object" ? JSON.stringify(value) : value,
        ]),
      ),
    ),
  );
}

async function log(
  { client, output }: Session,
  [wanted]: [string],
  options: { output?: string },
): Promise<undefined> {
  const { id } = await (await FpgaApi.open(client)).image(wanted);
  const answer = await client.send({ method: "GET", path: `/fpga/images/${id}/log` });
  const chunks: Buffer[] = [];
  for await (const chunk of answer.body) chunks.push(chunk as Buffer);
  if (answer.status !== 200) throw new CliFailure("FPGA_IMAGE_NOT_FOUND", `${wanted} has no log yet`);
  const file = options.output ?? `${id}_log.tar`;
  await writeFile(file, Buffer.concat(chunks));
  output.result({ file }, () => `Saved ${safe(file)}`);
}

async function remove({ client, output }: Session, [wanted]: [string]): Promise<undefined> {
  const fpga = await FpgaApi.open(client);
  const { id } = await fpga.image(wanted);
  await without(client.send({ method: "DELETE", path: `${fpga.base}/${id}` }));
  output.result({ id }, () => `Deleting ${safe(wanted)}`);
}

async function relate(
  { client, output, credentials, url }: Session,
  method: "POST" | "DELETE",
  wanted: string,
  container: string,
): Promise<undefined> {
  const fpga = await FpgaApi.open(client);
  const { id } = await fpga.image(wanted);
  const { username = "" } = (await credentials.get(url)) ?? {};
  const json = { image: { id: containerImageId(fpga.project, username, container) } };
  await without(client.send({ method, path: `${fpga.base}/${id}/association`, json }));
  const what = method === "POST" ? "Associated" : "No longer associated:";
  output.result(
    { fpga_image_id: id, image_id: json.image.id },
    () => `${what} ${safe(wanted)} with ${safe(container)}`,
  );
}

async function associations({ client, output }: Session, [wanted]: [string]): Promise<undefined> {
  const fpga = await FpgaApi.open(client);
  const groups = await fpga.associations((await fpga.image(wanted)).id);
  output.result({ associations: groups }, () =>
    groups.length === 0 ? "It is associated with nothing" : groups.map(({ image_id }) => image_id).join("\n"),
  );
}

/** An answer without a body. @throws CliFailure for anything but 2xx */
async function without(sent: ReturnType<Session["client"]["send"]>): Promise<void> {
  const { failureFrom } = await import("../client.ts");
  const answer = await sent;
  if (answer.status >= 300) throw await failureFrom(answer);
  answer.body.resume();
}

async function metadataOf({ meta = [], metadataFile }: RegisterOptions): Promise<Record<string, unknown>> {
  if (metadataFile === undefined) return Object.fromEntries(meta);
  if (meta.length > 0) throw usage("--meta and --metadata-file exclude each other");
  let metadata: unknown;
  try {
    metadata = parseExact(await readFile(metadataFile, "utf8"));
  } catch (cause) {
    throw new CliFailure("LOCAL_FILE", `${metadataFile}: ${(cause as Error).message}`, { cause });
  }
  if (typeof metadata === "object" && metadata !== null && !Array.isArray(metadata))
    return metadata as Record<string, unknown>;
  throw usage(`${metadataFile} holds no JSON object`);
}

function pair(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It has the form key=value.");
  return [text.slice(0, at), text.slice(at + 1)];
}
