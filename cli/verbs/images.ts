import type { Command } from "commander";
import type { Body } from "../client.ts";
import { settle } from "../follow.ts";
import { type VolumeOptions, volumeFields, withVolume } from "../options.ts";
import { bytes, safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";

type Image = { name: string; tag: string; id: string; size: unknown; created: unknown };

/** `perigee build`, `load`, `images` and `rmi`. */
export function registerImages(program: Command): void {
  const build = program
    .command("build")
    .description("build an image from a directory of a volume")
    .argument("<context>", "directory in the volume")
    .requiredOption("-t, --image <name>", "name of the image")
    .option("-f, --file <path>", "Dockerfile in the volume (default: CONTEXT/Dockerfile)");
  withVolume(build).action(
    action<[string], VolumeOptions & { image: string; file?: string }>(
      async (session, [context], options) => {
        const dockerfile =
          options.file ??
          (/^\.?\/*$/.test(context) ? "Dockerfile" : `${context.replace(/\/+$/, "")}/Dockerfile`);
        const json = { context, dockerfile, image: options.image, ...volumeFields(options) };
        await change(
          session,
          "/em/pod/image/build",
          json,
          "Docker Image built successfully",
          `Built ${options.image}`,
        );
      },
    ),
  );

  const load = program
    .command("load")
    .description("load an image from a tar file of a volume")
    .argument("<tarfile>", "path in the volume")
    .requiredOption("-t, --image <name>", "name of the image, as in the tar file");
  withVolume(load).action(
    action<[string], VolumeOptions & { image: string }>(async (session, [tarfile], options) => {
      const json = { tarfile, image: options.image, ...volumeFields(options) };
      await change(
        session,
        "/em/pod/image/load",
        json,
        "Tar file loaded successfully",
        `Loaded ${options.image}`,
      );
    }),
  );

  program.command("images").description("list your images").action(action<[], object>(images));

  program
    .command("rmi")
    .description("delete an image of yours")
    .argument("<image>")
    .action(
      action<[string], object>(async (session, [image]) => {
        const message = "Docker Image deleted successfully";
        await change(session, "/em/pod/image/delete", { image }, message, `Deleted ${image}`);
      }),
    );
}

/** Builds and loads take minutes, so they are queued and followed, unless `--no-wait` is given. */
async function change(
  { client, output }: Session,
  path: string,
  json: object,
  message: string,
  text: string,
): Promise<undefined> {
  const patience = client.patience();
  const slow = !path.endsWith("/delete") && patience.limitMs > 0;
  const headers: Record<string, string> = slow ? { Prefer: "respond-async" } : {};
  const answer = await client.whenFree({ method: "POST", path, json, headers }, patience);
  const body = await settle(client, answer, patience, () => ({ message }));
  output.result(body, () => safe(text));
}

async function images({ client, output }: Session): Promise<undefined> {
  const patience = client.patience();
  const answer = await client.whenFree({ method: "GET", path: "/em/pod/image/list" }, patience);
  const body: Body = await settle(client, answer, patience, (command) => ({
    message: "Successfully loaded list of docker images",
    data: command.result?.images ?? [],
  }));
  output.result(body, () => {
    const list = (body.data ?? []) as Image[];
    if (list.length === 0) return "You have no images";
    const rows = list.map(({ name, tag, id, size, created }) => [
      `${name}:${tag}`,
      String(id)
        .replace(/^sha256:/, "")
        .slice(0, 12),
      bytes(size),
      time(created),
    ]);
    return output.table(["IMAGE", "ID", "SIZE", "CREATED"], rows, { right: [2], cut: [0] });
  });
}
