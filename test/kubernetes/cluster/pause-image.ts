import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { pack } from "tar-stream";
import { PAUSE_IMAGE } from "./node-config.ts";

const ARCHITECTURES: Record<string, string> = { x64: "amd64", arm64: "arm64", arm: "arm" };

/** Writes an archive of the image that holds pods' namespaces, made of one static program. */
export async function writePauseImage(program: string, archive: string): Promise<void> {
  const layer = await tarOf({ pause: { content: readFileSync(program), mode: 0o755 } });
  const config = JSON.stringify({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: "linux",
    config: { Entrypoint: ["/pause"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(layer).digest("hex")}`] },
  });
  const manifest = JSON.stringify([
    { Config: "config.json", RepoTags: [PAUSE_IMAGE], Layers: ["layer.tar"] },
  ]);
  const files = { "manifest.json": manifest, "config.json": config, "layer.tar": layer };
  writeFileSync(
    archive,
    await tarOf(Object.fromEntries(Object.entries(files).map(([name, content]) => [name, { content }]))),
  );
}

async function tarOf(files: Record<string, { content: string | Buffer; mode?: number }>): Promise<Buffer> {
  const tar = pack();
  for (const [name, { content, mode = 0o644 }] of Object.entries(files)) {
    tar.entry({ name, mode, mtime: new Date(0) }, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
