import { createHash } from "node:crypto";
import { type Header, pack } from "tar-stream";

export type ArchiveEntry = Partial<Header> & { name: string; content?: Buffer | string };

/** A tar of these entries, in this order. */
export async function tarOf(entries: readonly ArchiveEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) {
    if (content === undefined) tar.entry({ mtime: new Date(0), ...header });
    else tar.entry({ mtime: new Date(0), ...header }, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function sha256(data: Buffer | string): string {
  return createHash("sha256").update(data).digest("hex");
}

export type SavedParts = {
  tags: string[];
  /** layers unpacked, from the lowest up */
  layers: Buffer[];
  /** what the archive holds for each layer; default: the layers */
  stored?: Buffer[];
  config?: Record<string, unknown>;
  /** changes the entries before they are packed */
  entries?(entries: ArchiveEntry[]): ArchiveEntry[];
};

/** A config that names these layers. */
export function configOf(layers: readonly Buffer[], changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Cmd: ["/bin/sh"] },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
    ...changes,
  });
}

/** As newer engines save: an OCI layout with a manifest.json beside it. */
export async function ociArchive({
  tags,
  layers,
  stored = layers,
  config,
  entries,
}: SavedParts): Promise<Buffer> {
  const text = configOf(layers, config);
  const blob = (data: Buffer | string) => `blobs/sha256/${sha256(data)}`;
  const manifest = [{ Config: blob(text), RepoTags: tags, Layers: stored.map(blob) }];
  const blobs = new Map([...stored, text].map((data) => [blob(data), data]));
  const list: ArchiveEntry[] = [
    { name: "blobs/", type: "directory" },
    { name: "blobs/sha256/", type: "directory" },
    ...[...blobs].map(([name, content]) => ({ name, content })),
    { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [] }) },
    { name: "manifest.json", content: JSON.stringify(manifest) },
    { name: "oci-layout", content: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
  ];
  return tarOf(entries ? entries(list) : list);
}
