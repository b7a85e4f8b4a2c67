import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

type TarEntry = { name: string; content?: string | Uint8Array; mode?: number; linkname?: string };

/** A tar of these entries: files, symbolic links (`linkname`), directories (neither). */
export async function tarOf(entries: TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content, mode = 0o755, linkname } of entries) {
    if (linkname !== undefined) tar.entry({ name, type: "symlink", linkname });
    else if (content === undefined) tar.entry({ name, type: "directory", mode });
    else tar.entry({ name, mode }, typeof content === "string" ? content : Buffer.from(content));
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export type ArchiveOptions = {
  tags: string[];
  architecture: string;
  command: string[];
  layer: Buffer;
  /** changed after everything else was made from it */
  manifest?: (manifest: object[]) => unknown;
};

/** An image archive as `docker save` writes it. */
export async function archiveOf(options: ArchiveOptions): Promise<Buffer> {
  const { tags, architecture, command, layer, manifest = (all) => all } = options;
  const config = JSON.stringify({
    architecture,
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: command },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
  });
  const name = `${sha256(config)}.json`;
  return tarOf([
    { name: "layer.tar", content: layer },
    { name, content: config },
    {
      name: "manifest.json",
      content: JSON.stringify(manifest([{ Config: name, RepoTags: tags, Layers: ["layer.tar"] }])),
    },
  ]);
}

export { gzipSync };

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
