import { parseTagged, type TaggedReference } from "#protocol/image-reference.ts";
import { LIMITS } from "#protocol/limits.ts";
import { TarError } from "../../files/tar-parser.ts";
import { ArchiveIndex, parseJson } from "./archive-index.ts";
import { explainArchive } from "./archive-kind.ts";
import type { ArchiveFile } from "./archive-stream.ts";
import type { DescribedImages } from "./described-images.ts";
import { readImageConfig } from "./image-config.ts";
import { readOciLayout } from "./oci-layout.ts";

/**
 * A layer as it lies in the archive: the position of its entry, where in the tar its content is, its path, and the hash that
 * this must have unpacked.
 */
export type StoredLayer = { n: number; start: number; size: number; path: string; diffId: string };

/** One image of an archive, read and checked: what of it goes to the engine. */
export type SavedImage = {
  /** bytes of the config: their SHA-256 is the image's ID */
  config: Buffer;
  /** each once, however often the image has it */
  layers: StoredLayer[];
  /** diff IDs from the lowest layer up */
  diffIds: string[];
  /** labels that only the agent may give */
  ourLabels: string[];
};

export type Wanted = {
  /** the name that the image must have in the archive (default: any, or none) */
  named?: {
    /** Is this the tag that the archive must hold? */
    matches(tag: TaggedReference): boolean;
    /** the tag in words */
    expected: string;
  };
  architectures: readonly string[];
};

/**
 * Reads the one image of an archive, in the form of `docker save` or as an OCI image layout.
 * @throws TarError saying what is wrong and what to do, the signal's reason
 */
export async function readSavedImage(
  archive: ArchiveFile,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<SavedImage> {
  const index = new ArchiveIndex(archive, signal);
  try {
    await index.fill();
  } catch (error) {
    throw (error instanceof TarError && explainArchive(index.entries)) || error;
  }
  const described = await describe(index, wanted);
  assertWanted(described, wanted);
  const { layers: paths } = described;
  if (paths.length > LIMITS.imageLayers)
    throw new TarError(`the image has more than ${LIMITS.imageLayers} layers`);
  const config = await index.read(index.file(described.config), "the image's config");
  const { diffIds, ourLabels } = readImageConfig(config, wanted.architectures);
  if (diffIds.length !== paths.length) {
    throw new TarError("the manifest and the config do not have the same number of layers");
  }
  const layers = new Map<number, StoredLayer>();
  for (const [i, path] of paths.entries()) {
    const { n, start, size } = index.file(path);
    const diffId = diffIds[i]!;
    if ((layers.get(n)?.diffId ?? diffId) !== diffId) throw new TarError(`layer ${i} has two contents`);
    layers.set(n, { n, start, size, path, diffId });
  }
  return { config, layers: [...layers.values()], diffIds, ourLabels };
}

async function describe(index: ArchiveIndex, { architectures }: Wanted): Promise<DescribedImages> {
  const manifest = index.descriptions.get("manifest.json");
  if (manifest) return readManifest(manifest);
  const layout = index.descriptions.get("index.json");
  if (layout) return readOciLayout(index, layout, architectures);
  throw (
    explainArchive(index.entries) ??
    new TarError(
      "the archive holds no manifest.json: it is none of `docker save`, `podman save` or `skopeo copy … docker-archive:FILE`",
    )
  );
}

/** The form of `docker save`. */
function readManifest(bytes: Buffer): DescribedImages {
  const list = parseJson(bytes, "manifest.json");
  if (!Array.isArray(list)) {
    throw new TarError(
      "the archive must hold one image and no further one, with a list as its manifest.json: for a directory that skopeo or crane made, copy it with `skopeo copy dir:DIR docker-archive:FILE:NAME`",
    );
  }
  if (list.length !== 1) {
    const tags = list.flatMap((image) => tagsOf((image as { RepoTags?: unknown } | null)?.RepoTags));
    return { images: list.length, tags };
  }
  const { Config, RepoTags, Layers } = (list[0] ?? {}) as Record<string, unknown>;
  // an image without layers has null here
  const layers = Layers === null ? [] : Layers;
  if (typeof Config !== "string" || !isStrings(layers)) {
    throw new TarError("manifest.json does not describe an image");
  }
  return { images: 1, tags: tagsOf(RepoTags), config: Config, layers };
}

function assertWanted(
  described: DescribedImages,
  { named }: Wanted,
): asserts described is Extract<DescribedImages, { config: string }> {
  const { images, tags } = described;
  const found = tags.slice(0, 10).map((name) => JSON.stringify(name.slice(0, 200)));
  if (described.config === undefined) {
    throw new TarError(
      `the archive must hold one image and no further one, it holds ${images}: ${found.join(", ") || "without names"}; save ${named?.expected ?? "it"} alone`,
    );
  }
  if (!named) return;
  const { matches, expected } = named;
  const [first] = tags;
  const means = (name: string) => {
    const tag = parseTagged(name);
    return tag !== undefined && matches(tag);
  };
  // some tools write one name in two spellings, with and without a host
  if (tags.length > 0 && tags.every(means) && new Set(tags).size === tags.length) return;
  const rule = `the archive must hold an image tagged ${expected} and no further tag`;
  if (first === undefined) {
    throw new TarError(
      `${rule}; it holds none, as when an image is saved by its ID: tag it (docker tag ID ${expected}) and save it by that name`,
    );
  }
  throw new TarError(
    tags.length > 1
      ? `${rule}; it holds ${found.join(", ")}: save it by the one name only`
      : `${rule}; it holds ${found[0]}: load it by that name, or tag it ${expected} and save it again`,
  );
}

function tagsOf(value: unknown): string[] {
  return isStrings(value) ? value : [];
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
