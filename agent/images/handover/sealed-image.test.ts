import type Docker from "dockerode";
import { expect, test } from "vitest";
import { LAST_LAYER } from "./last-layer.ts";
import { sealedImage } from "./sealed-image.ts";

const layers = [
  { mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", digest: "sha256:blob", size: 7 },
];
const image = (config: object = {}) =>
  ({
    Architecture: "arm64",
    Os: "linux",
    Variant: "v8",
    RootFS: { Type: "layers", Layers: ["sha256:diff"] },
    Config: { User: "", Env: null, Cmd: null, Entrypoint: null, WorkingDir: "", ...config },
  }) as unknown as Docker.ImageInspectInfo;
const configOf = (of: Docker.ImageInspectInfo) => JSON.parse(`${sealedImage(of, layers).config.data}`);

test("keeps what a pod takes from its image", () => {
  const config = { User: "app", Env: ["A=b"], Entrypoint: ["/e"], Cmd: ["c"], WorkingDir: "/w" };
  expect(configOf(image(config))).toEqual({
    architecture: "arm64",
    os: "linux",
    variant: "v8",
    config,
    rootfs: { type: "layers", diff_ids: ["sha256:diff", LAST_LAYER.digest] },
  });
});

test("leaves out everything else, however it is spelled", () => {
  const config = {
    Volumes: { "/data/x": {} },
    volumes: { "/data/y": {} },
    StopSignal: "SIGKILL",
    Labels: { "containerd.io/gc.root": "1" },
    ExposedPorts: { "1/tcp": {} },
    OnBuild: ["RUN x"],
  };
  expect(configOf(image(config)).config).toEqual({});
});

test("names the layers in order, without addresses where else they may be had", () => {
  const foreign = layers.map((layer) => ({ ...layer, urls: ["http://169.254.169.254/"] }));
  const { manifest, config } = sealedImage(image(), foreign);
  expect(JSON.parse(`${manifest.data}`)).toEqual({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: config.digest,
      size: config.data.length,
    },
    layers: [
      { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: "sha256:blob", size: 7 },
      { mediaType: LAST_LAYER.mediaType, digest: LAST_LAYER.digest, size: LAST_LAYER.data.length },
    ],
  });
});

test("is the same for the same image, and refused for layers that are not the image's", () => {
  expect(sealedImage(image(), layers)).toEqual(sealedImage(image(), layers));
  expect(() => sealedImage(image(), [])).toThrow("another image");
  const odd = [{ ...layers[0]!, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }];
  expect(() => sealedImage(image(), odd)).toThrow("unknown type");
});
