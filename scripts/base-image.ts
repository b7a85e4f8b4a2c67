import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { pack } from "tar-stream";

const ARCHITECTURES: Record<string, string> = { x64: "amd64", arm64: "arm64", arm: "arm" };
const BUSYBOX = "/bin/busybox";
const EPOCH = new Date(0);

/**
 * Makes sure that the engine has a small busybox image called `tag`, made from this machine's static
 * busybox (Debian: busybox-static), so that no registry is needed. The archive is the same byte for byte
 * each time, and so is the image's ID: any number of callers may do this at once.
 * @returns the image's ID (`sha256:…`)
 */
export async function makeBusyboxImage(docker: Docker, tag = "perigee-test/busybox:latest"): Promise<string> {
  const existing = await findTag(docker, tag);
  if (existing) return existing;
  const layer = await busyboxLayer();
  const config = JSON.stringify({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: "linux",
    created: EPOCH.toISOString(),
    config: { Env: ["PATH=/usr/local/bin:/bin:/sbin:/usr/bin:/usr/sbin"], Cmd: ["/bin/sh"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: EPOCH.toISOString(), created_by: "busybox" }],
  });
  const id = sha256(config);
  const manifest = JSON.stringify([{ Config: `${id}.json`, RepoTags: [tag], Layers: ["layer.tar"] }]);
  const archive = await tarOf([
    { name: "layer.tar", content: layer },
    { name: `${id}.json`, content: config },
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

async function busyboxLayer(): Promise<Buffer> {
  const { stdout } = await promisify(execFile)(BUSYBOX, ["--list"]);
  const applets = stdout.split("\n").filter((name) => name !== "" && name !== "busybox");
  const directories = ["bin/", "etc/", "root/", "tmp/", "dev/", "proc/", "sys/", "usr/", "usr/bin/", "var/"];
  return tarOf([
    ...directories.map((name) => ({ name, mode: name === "tmp/" ? 0o1777 : 0o755 })),
    { name: "bin/busybox", content: await readFile(BUSYBOX), mode: 0o755 },
    ...applets.map((name) => ({ name: `bin/${name}`, linkname: "busybox" })),
    {
      name: "etc/passwd",
      content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    },
    { name: "etc/group", content: "root:x:0:\nnogroup:x:65534:\n" },
  ]);
}

type TarEntry = { name: string; content?: string | Buffer; mode?: number; linkname?: string };

async function tarOf(entries: TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content, mode = 0o644, linkname } of entries) {
    if (linkname !== undefined) tar.entry({ name, type: "symlink", linkname, mtime: EPOCH });
    else if (content === undefined) tar.entry({ name, type: "directory", mode, mtime: EPOCH });
    else tar.entry({ name, mode, mtime: EPOCH }, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
