import { createHash } from "node:crypto";
import type Docker from "dockerode";
import { LAST_LAYER } from "./last-layer.ts";

/** Names what {@link sealedImage} makes of an image: to be changed with it, so that what was pushed before is pushed again. */
export const SEAL = `1 ${LAST_LAYER.digest}`;

/** A layer as a manifest names it; `size` in bytes as stored. */
export type LayerOfManifest = { mediaType: string; digest: string; size: number };

/** What the registry is given: two documents that belong together, and the layer that goes with them. */
export type SealedImage = { config: Document; manifest: Document };

type Document = { mediaType: string; digest: string; data: Buffer };

/** What an engine calls a layer, and the same in a manifest of ours. */
const LAYER_TYPES: Readonly<Record<string, string>> = {
  "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar": "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
};

/**
 * An image as nodes may run it, written out anew from what the engine understood of it: with {@link LAST_LAYER} on
 * top, and with nothing in its configuration but what a pod takes from it. So nodes make no volume for its VOLUMEs
 * (what is written there is scratch space of the run, and beneath `/data` the user's volume), keep no labels of it, and
 * stop it by SIGTERM. Pure: the same image gives the same digest.
 * @param layers of the manifest that the engine has pushed
 * @throws Error when these are not the layers that the engine says it has
 */
export function sealedImage(image: Docker.ImageInspectInfo, layers: readonly LayerOfManifest[]): SealedImage {
  const { Architecture, Os, Config, RootFS } = image;
  const { Variant } = image as { Variant?: string };
  const diffIds = RootFS?.Layers ?? [];
  if (diffIds.length !== layers.length) throw new Error("what was pushed is another image");
  const config = documentOf("application/vnd.oci.image.config.v1+json", {
    architecture: Architecture,
    os: Os,
    ...(Variant && { variant: Variant }),
    config: {
      User: Config?.User || undefined,
      Env: Config?.Env ?? undefined,
      Entrypoint: Config?.Entrypoint ?? undefined,
      Cmd: Config?.Cmd ?? undefined,
      WorkingDir: Config?.WorkingDir || undefined,
    },
    rootfs: { type: "layers", diff_ids: [...diffIds, LAST_LAYER.digest] },
  });
  const manifest = documentOf("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: config.mediaType, digest: config.digest, size: config.data.length },
    layers: [
      ...layers.map(({ mediaType, digest, size }) => ({ mediaType: typeOf(mediaType), digest, size })),
      { mediaType: LAST_LAYER.mediaType, digest: LAST_LAYER.digest, size: LAST_LAYER.data.length },
    ],
  });
  return { config, manifest };
}

function typeOf(mediaType: string): string {
  const type = LAYER_TYPES[mediaType];
  if (!type) throw new Error(`a layer is of an unknown type: ${mediaType}`);
  return type;
}

function documentOf(mediaType: string, content: object): Document {
  const data = Buffer.from(JSON.stringify(content));
  return { mediaType, digest: `sha256:${createHash("sha256").update(data).digest("hex")}`, data };
}
