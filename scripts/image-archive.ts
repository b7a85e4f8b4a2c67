import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { pack } from "tar-stream";

const ARCHITECTURES: Record<string, string> = { x64: "amd64", arm64: "arm64", arm: "arm" };
const EPOCH = new Date(0);

/** One entry of a layer: a file with its content, a directory, or a symbolic link. */
export type TarEntry = {
  name: string;
  content?: string | Buffer;
  mode?: number;
  linkname?: string;
  /** user and group alike; default root */
  owner?: number;
};

/**
 * Makes sure that the engine has an image called `tag` of one layer, so that no registry is needed. The archive is
 * the same byte for byte for the same layer, and so is the image's ID: any number of callers may do this at once.
 * @param config as in an image's `config`
 * @returns the image's ID (`sha256:…`)
 */
export async function ensureImage(
  docker: Docker,
  tag: string,
  config: object,
  entries: () => Promise<TarEntry[]>,
): Promise<string> {
  const existing = await findTag(docker, tag);
  if (existing) return existing;
  const layer = await tarOf(await entries());
  const description = JSON.stringify({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: "linux",
    created: EPOCH.toISOString(),
    config,
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: EPOCH.toISOString(), created_by: "this machine's own programs" }],
  });
  const id = sha256(description);
  const manifest = JSON.stringify([{ Config: `${id}.json`, RepoTags: [tag], Layers: ["layer.tar"] }]);
  const archive = await tarOf([
    { name: "layer.tar", content: layer },
    { name: `${id}.json`, content: description },
    { name: "manifest.json", content: manifest },
  ]);
  const answer = (await docker.loadImage(Readable.from([archive]), { quiet: true })) as NodeJS.ReadableStream;
  let said = "";
  for await (const chunk of answer) said += chunk;
  const loaded = await findTag(docker, tag);
  if (!loaded) throw new Error(`the engine did not load ${tag}: ${said}`);
  return loaded;
}

async function findTag(docker: Docker, tag: string): Promise<string | undefined> {
  const images = await docker.listImages({ filters: { reference: [tag] } });
  return images.find((image) => image.RepoTags?.includes(tag))?.Id;
}

async function tarOf(entries: TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content, mode = 0o644, linkname, owner = 0 } of entries) {
    const header = { name, mode, mtime: EPOCH, uid: owner, gid: owner };
    if (linkname !== undefined) tar.entry({ ...header, type: "symlink", linkname });
    else if (content === undefined) tar.entry({ ...header, type: "directory" });
    else tar.entry(header, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
