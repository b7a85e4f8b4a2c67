import { END_OF_TAR, fileHeader, paddingOf } from "../../files/tar-header.ts";
import { TarError } from "../../files/tar-parser.ts";
import type { ArchiveFile } from "./archive-stream.ts";
import { LayerCheck } from "./layer-check.ts";
import type { SavedImage, StoredLayer } from "./saved-image.ts";

export type EmitOptions = {
  /** the one tag of what is sent (default: it has no name) */
  reference?: string;
  /** bytes that all layers may unpack to */
  maxBytes: number;
  signal: AbortSignal;
  /** bytes of layers sent so far */
  onBytes?(bytes: number): void;
};

/**
 * The archive for the engine: the image's config, its layers and a manifest of our own, nothing else of the
 * user's. A layer is checked as it passes; the manifest comes last, so that the engine, which unpacks all
 * of it before it reads the manifest, has nothing to load when a check fails.
 * @throws TarError, the signal's reason
 */
export async function* emitImage(
  archive: ArchiveFile,
  image: SavedImage,
  options: EmitOptions,
): AsyncGenerator<Buffer> {
  yield* file("config.json", image.config);
  const budget = { left: options.maxBytes };
  const stored = new Map(image.layers.map((layer) => [layer.n, layer]));
  let layer: LayerCheck | undefined;
  let bytes = 0;
  let n = 0;
  for await (const event of archive.read(options.signal)) {
    if ("data" in event) {
      if (!layer) continue;
      await layer.check(event.data);
      yield event.data;
      bytes += event.data.length;
      options.onBytes?.(bytes);
      continue;
    }
    if (layer) yield await endOf(layer);
    layer = undefined;
    const found = stored.get(n++);
    if (found === undefined || event.entry.type !== "file") continue;
    stored.delete(found.n);
    layer = new LayerCheck(found, event.entry.size, budget);
    yield fileHeader(layerName(found), event.entry.size);
  }
  if (layer) yield await endOf(layer);
  if (stored.size > 0) throw new TarError("the archive changed while it was read");
  yield* file("manifest.json", manifestOf(image, options.reference));
  yield END_OF_TAR;
}

/** The one image of such an archive, as the engine wants it described. */
export function manifestOf({ layers, diffIds }: SavedImage, reference?: string): Buffer {
  const byDiffId = new Map(layers.map((one) => [one.diffId, layerName(one)]));
  const manifest = [
    {
      Config: "config.json",
      RepoTags: reference === undefined ? null : [reference],
      Layers: diffIds.map((diffId) => byDiffId.get(diffId)!),
    },
  ];
  return Buffer.from(JSON.stringify(manifest));
}

export function layerName({ diffId, n }: StoredLayer): string {
  return `${diffId.slice("sha256:".length)}-${n}.tar`;
}

/** A file of our own, in an archive. */
export function* file(name: string, content: Buffer): Generator<Buffer> {
  yield fileHeader(name, content.length);
  yield content;
  yield paddingOf(content.length);
}

async function endOf(layer: LayerCheck): Promise<Buffer> {
  await layer.end();
  return paddingOf(layer.size);
}
