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

export type LayoutParts = {
  /** layers unpacked, from the lowest up */
  layers: Buffer[];
  /** what the archive holds for each layer; default: the layers */
  stored?: Buffer[];
  config?: Record<string, unknown>;
  /** of the one descriptor in index.json */
  annotations?: Record<string, string>;
  /** the descriptors of index.json; default: the manifest's own */
  index?(manifest: Descriptor, blob: (content: object) => Descriptor): Record<string, unknown>[];
  /** changes the manifest */
  manifest?(manifest: Record<string, unknown>): object;
};

export type Descriptor = { mediaType: string; digest: string; size: number };

/** An OCI image layout as podman, buildah and skopeo write it: no manifest.json. */
export async function ociLayout({
  layers,
  stored = layers,
  config,
  annotations,
  index = (manifest) => [{ ...manifest, annotations }],
  manifest = (own) => own,
}: LayoutParts): Promise<Buffer> {
  const blobs = new Map<string, Buffer>();
  const add = (content: Buffer | string, kind: string): Descriptor => {
    const digest = sha256(content);
    blobs.set(`blobs/sha256/${digest}`, Buffer.from(content));
    return {
      mediaType: `application/vnd.oci.image.${kind}`,
      digest: `sha256:${digest}`,
      size: content.length,
    };
  };
  const own = {
    schemaVersion: 2,
    config: add(configOf(layers, config), "config.v1+json"),
    layers: stored.map((layer) => add(layer, "layer.v1.tar")),
  };
  const described = add(JSON.stringify(manifest(own)), "manifest.v1+json");
  const manifests = index(described, (content) => add(JSON.stringify(content), "index.v1+json"));
  return tarOf([
    ...[...blobs].map(([name, content]) => ({ name, content })),
    { name: "oci-layout", content: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
    { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests }) },
  ]);
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
