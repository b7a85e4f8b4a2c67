import { createHash } from "node:crypto";
import { LIMITS } from "#protocol/limits.ts";
import { TarError } from "../../files/tar-parser.ts";
import type { ArchiveIndex } from "./archive-index.ts";
import { parseJson } from "./archive-index.ts";
import type { DescribedImages } from "./described-images.ts";

type Descriptor = {
  digest: string;
  mediaType: string;
  platform?: { os?: unknown; architecture?: unknown };
  annotations?: Record<string, unknown>;
};

/**
 * The one image of an OCI image layout (index.json and blobs), as podman, buildah, skopeo and BuildKit write it.
 * Of an image for several architectures the nodes' first is taken.
 * @throws TarError, the signal's reason
 */
export async function readOciLayout(
  index: ArchiveIndex,
  bytes: Buffer,
  architectures: readonly string[],
): Promise<DescribedImages> {
  const images = manifestsOf(parseJson(bytes, "index.json")).filter((one) => !isAttestation(one));
  const tags = images.flatMap(nameOf);
  if (images.length === 0) {
    throw new TarError("the archive holds no manifest.json, and its index.json names no image");
  }
  if (images.length > 1 && new Set(images.map((one) => one.digest)).size > 1) {
    const named = images.flatMap(nameOf);
    // without names of their own they are one image for several architectures
    if (new Set(named).size > 1 || !images.every(({ platform }) => platform))
      return { images: images.length, tags };
  }
  const manifest = await resolve(index, images, architectures, 1);
  const { config, layers } = manifest as { config?: unknown; layers?: unknown };
  if (!isDescriptor(config) || !Array.isArray(layers) || !layers.every(isDescriptor)) {
    throw new TarError("the manifest in the archive does not describe an image");
  }
  return {
    images: 1,
    tags: [...new Set(tags)],
    config: blobPath(config),
    layers: layers.map((layer) => blobPath(layer)),
  };
}

/** Goes from indexes to the manifest for one of the architectures. */
async function resolve(
  index: ArchiveIndex,
  candidates: Descriptor[],
  architectures: readonly string[],
  depth: number,
): Promise<object> {
  const chosen = choose(candidates, architectures);
  const content = await readBlob(index, chosen);
  if (!/index|manifest\.list/.test(chosen.mediaType) && !("manifests" in content)) return content;
  if (depth >= LIMITS.imageIndexDepth) throw new TarError("the archive has indexes within indexes");
  return resolve(
    index,
    manifestsOf(content).filter((one) => !isAttestation(one)),
    architectures,
    depth + 1,
  );
}

function choose(candidates: Descriptor[], architectures: readonly string[]): Descriptor {
  const [first, ...more] = candidates;
  if (first && more.length === 0) return first;
  for (const architecture of architectures) {
    const found = candidates.find(
      ({ platform }) => platform?.os === "linux" && platform.architecture === architecture,
    );
    if (found) return found;
  }
  const offered = candidates.map(
    ({ platform }) => `${String(platform?.os ?? "?")}/${String(platform?.architecture ?? "?")}`,
  );
  throw new TarError(
    `the image is for ${offered.slice(0, 10).join(", ").slice(0, 400) || "nothing"}, the nodes are linux/${architectures.join(", linux/")}`,
  );
}

async function readBlob(index: ArchiveIndex, descriptor: Descriptor): Promise<object> {
  const path = blobPath(descriptor);
  const bytes = await index.read(index.file(path), path);
  if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== descriptor.digest) {
    throw new TarError(`${path} is not what its name says`);
  }
  const content = parseJson(bytes, path);
  if (typeof content !== "object" || content === null) throw new TarError(`${path} is no object`);
  return content;
}

function manifestsOf(content: unknown): Descriptor[] {
  const { manifests } = (content ?? {}) as { manifests?: unknown };
  if (
    !Array.isArray(manifests) ||
    manifests.length > LIMITS.imageIndexManifests ||
    !manifests.every(isDescriptor)
  ) {
    throw new TarError("an index in the archive names no manifests");
  }
  return manifests;
}

function isDescriptor(value: unknown): value is Descriptor {
  const { digest, mediaType, platform, annotations } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof digest === "string" &&
    typeof mediaType === "string" &&
    /^sha256:[0-9a-f]{64}$/.test(digest) &&
    (platform === undefined || (typeof platform === "object" && platform !== null)) &&
    (annotations === undefined || (typeof annotations === "object" && annotations !== null))
  );
}

/** BuildKit's notes on how an image was made lie among the images. */
function isAttestation({ annotations, platform }: Descriptor): boolean {
  return annotations?.["vnd.docker.reference.type"] !== undefined || platform?.os === "unknown";
}

/** containerd's tools put the tag alone into the standard annotation, the whole name into their own. */
function nameOf({ annotations }: Descriptor): string[] {
  const name =
    annotations?.["io.containerd.image.name"] ?? annotations?.["org.opencontainers.image.ref.name"];
  return typeof name === "string" && name !== "" ? [name] : [];
}

function blobPath({ digest }: Descriptor): string {
  return `blobs/${digest.replace(":", "/")}`;
}
