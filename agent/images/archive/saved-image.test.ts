import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import {
  type ArchiveEntry,
  configOf,
  type LayoutParts,
  ociArchive,
  ociLayout,
  type SavedParts,
  sha256,
  tarOf,
} from "#test/support/saved-archive.ts";
import { TarError, TarParser } from "../../files/tar-parser.ts";
import { ArchiveFile, fileArchive } from "./archive-stream.ts";
import { emitImage } from "./emit-image.ts";
import { readSavedImage } from "./saved-image.ts";

const ARCH = process.arch === "x64" ? "amd64" : process.arch;
const signal = new AbortController().signal;
let directory: string;
let layer: Buffer;
let other: Buffer;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-saved-"));
  layer = await tarOf([{ name: "file", content: "one" }]);
  other = await tarOf([{ name: "file", content: "two" }]);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Reads an archive as `load` does for the image `tool`: the diff IDs of what would go to the engine. */
async function load(bytes: Buffer): Promise<{ id: string; layers: Buffer[] }> {
  const path = join(directory, "image.tar");
  writeFileSync(path, bytes);
  const fd = openSync(path, "r");
  try {
    const archive = new ArchiveFile(fileArchive(fd), { maxBytes: 50_000_000, maxEntries: 1000 });
    const matches = ({ host, name, tag }: { host?: string; name: string; tag: string }) =>
      (host ?? "localhost") === "localhost" && name === "tool" && tag === "latest";
    const wanted = { named: { matches, expected: "tool:latest" }, architectures: [ARCH, "riscv64"] };
    const image = await readSavedImage(archive, wanted, signal);
    const parser = new TarParser(1000);
    const files = new Map<string, Buffer[]>();
    let name = "";
    for await (const chunk of emitImage(archive, image, { reference: "r:1", maxBytes: 5e7, signal })) {
      for (const event of parser.push(chunk)) {
        if ("data" in event) files.get(name)!.push(event.data);
        else {
          name = event.entry.name;
          files.set(name, []);
        }
      }
    }
    parser.end();
    const content = (file: string) => Buffer.concat(files.get(file) ?? []);
    const [manifest] = JSON.parse(String(content("manifest.json"))) as [{ Layers: string[] }];
    return { id: sha256(content("config.json")), layers: manifest.Layers.map(content) };
  } finally {
    closeSync(fd);
  }
}

type Change = Partial<SavedParts>;
const saved = (change: Change = {}) => ociArchive({ tags: ["tool"], layers: [layer], ...change });
const layout = (change: Partial<LayoutParts> = {}) =>
  ociLayout({ layers: [layer], annotations: REF, ...change });
const REF = { "org.opencontainers.image.ref.name": "localhost/tool:latest" };
const config = (changes: Record<string, unknown>) => saved({ config: { config: changes } });
const manifestOf = (change: (image: Record<string, unknown>) => unknown) => (entries: ArchiveEntry[]) =>
  entries.map((entry) =>
    entry.name === "manifest.json"
      ? { ...entry, content: JSON.stringify([change(JSON.parse(String(entry.content))[0])]) }
      : entry,
  );

describe("is loaded:", () => {
  test.each<[string, () => Promise<Buffer>, (() => Buffer[])?]>([
    ["what docker saves", () => saved()],
    ["a name as podman and buildah write it", () => saved({ tags: ["localhost/tool:latest"] })],
    ["the name in both spellings", () => saved({ tags: ["tool:latest", "localhost/tool:latest"] })],
    [
      "a layer's entry twice",
      () => saved({ entries: (list) => [...list.filter(({ content }) => content === layer), ...list] }),
    ],
    [
      "an entry twice, of which the later one is right",
      () =>
        saved({
          entries: (list) => [
            ...list.filter(({ content }) => content === layer).map((entry) => ({ ...entry, content: other })),
            ...list,
          ],
        }),
    ],
    ["no os and no architecture", () => saved({ config: { os: undefined, architecture: undefined } })],
    ["an empty os and architecture", () => saved({ config: { os: "", architecture: "" } })],
    ["another of the nodes' architectures", () => saved({ config: { architecture: "riscv64" } })],
    [
      "a layer of no bytes",
      () => saved({ layers: [layer, Buffer.alloc(0)] }),
      () => [layer, Buffer.alloc(0)],
    ],
    [
      "bytes after a layer's end",
      () => saved({ layers: [Buffer.concat([layer, Buffer.alloc(512), Buffer.from("trailing")])] }),
      () => [Buffer.concat([layer, Buffer.alloc(512), Buffer.from("trailing")])],
    ],
    [
      "a layer's last entry without its padding",
      () => saved({ layers: [layer.subarray(0, 512 + 3)] }),
      () => [layer.subarray(0, 512 + 3)],
    ],
    [
      "no layers",
      () =>
        saved({
          layers: [],
          config: { rootfs: { type: "layers" } },
          entries: manifestOf((image) => ({ ...image, Layers: null })),
        }),
      () => [],
    ],
    ["bytes after the archive's end", async () => Buffer.concat([await saved(), Buffer.from("trailing")])],
    [
      "names that begin with ./",
      () => saved({ entries: (l) => l.map((e) => ({ ...e, name: `./${e.name}` })) }),
    ],
    ["the manifest before all else", () => saved({ entries: (list) => [...list].reverse() })],
    ["a gzip of it", async () => gzipSync(await saved())],
    ["an OCI layout", () => layout()],
    [
      "a gzip of one, with packed layers",
      async () => gzipSync(await layout({ stored: [gzipSync(layer)] })),
      () => [gzipSync(layer)],
    ],
    [
      "one of containerd's tools",
      () =>
        layout({
          annotations: {
            "io.containerd.image.name": "tool:latest",
            "org.opencontainers.image.ref.name": "latest",
          },
        }),
    ],
    [
      "one of BuildKit, with notes on how it was made",
      () =>
        layout({
          index: (own, blob) => [
            {
              ...blob({
                schemaVersion: 2,
                manifests: [
                  { ...own, platform: { os: "linux", architecture: ARCH } },
                  {
                    ...blob({}),
                    platform: { os: "unknown", architecture: "unknown" },
                    annotations: { "vnd.docker.reference.type": "attestation-manifest" },
                  },
                ],
              }),
              annotations: REF,
            },
          ],
        }),
    ],
    [
      "one for several architectures",
      () =>
        layout({
          index: (own, blob) => [
            { ...blob({}), platform: { os: "linux", architecture: "s390x" }, annotations: REF },
            { ...own, platform: { os: "linux", architecture: ARCH }, annotations: REF },
          ],
        }),
    ],
    [
      "labels, ports, volumes and variables",
      () =>
        config({
          Labels: { a: "b" },
          ExposedPorts: { "80/tcp": {} },
          Volumes: { "/v": {} },
          Env: ["A=b"],
          Cmd: "sh",
          Entrypoint: null,
        }),
    ],
  ])("%s", async (_, archive, layers = () => [layer]) => {
    const found = await load(await archive());
    expect(found.layers.map((one) => sha256(one))).toEqual(layers().map((one) => sha256(one)));
  });

  test("and its config stays what it was", async () => {
    const { id } = await load(await layout({ config: { os: "", author: "somebody" } }));
    expect(id).toBe(sha256(configOf([layer], { os: "", author: "somebody" })));
  });
});

describe("is refused, saying what it is:", () => {
  const files = (...names: string[]) => tarOf(names.map((name) => ({ name, content: "x" })));
  test.each<[string, () => Promise<Buffer> | Buffer, RegExp]>([
    ["docker export", () => files(".dockerenv", "bin/sh", "etc/passwd"), /docker export.*docker save/],
    [
      "a root file system",
      () => files("./bin/sh", "./etc/a", "./usr/a", "./var/a", "./home/a"),
      /file system/,
    ],
    [
      "one with devices and links to the root",
      () =>
        tarOf([
          ...["bin/sh", "etc/a", "usr/a"].map((name) => ({ name, content: "x" })),
          { name: "dev/null", type: "character-device" },
        ]),
      /file system/,
    ],
    [
      "one with many files",
      () => files("bin/a", "etc/a", "usr/a", "lib/a", ...Array.from({ length: 1000 }, (_, i) => `var/${i}`)),
      /file system/,
    ],
    ["an old Docker's", () => files(`${"a".repeat(64)}/layer.tar`, "repositories"), /older than 1\.10/],
    ["a directory with it", () => files("out/manifest.json", "out/x.tar"), /directory "out".*tar -C "out"/],
    ["an archive in an archive", () => files("image.tar"), /another archive, "image\.tar"/],
    ["a build context", () => files("Dockerfile", "app.py"), /build the image/],
    ["something else", () => files("a", "b"), /no manifest\.json: it is none of `docker save`/],
    [
      "a directory of skopeo",
      () => tarOf([{ name: "manifest.json", content: '{"schemaVersion":2}' }]),
      /skopeo copy dir:/,
    ],
    ["bzip2", () => Buffer.from("BZh91AY&SY"), /compressed with bzip2: only a tar/],
    ["xz", () => Buffer.from("\xfd7zXZ\0\0", "latin1"), /compressed with xz/],
    ["zstd", () => Buffer.from("\x28\xb5\x2f\xfd\0\0", "latin1"), /compressed with zstd/],
    ["zip", () => Buffer.from("PK\x03\x04"), /a zip archive/],
    ["a pointer", () => Buffer.from("version https://git-lfs.github.com/spec/v1\n"), /Git LFS/],
    ["a part of one", async () => (await saved()).subarray(0, 2000), /it was cut off/],
    ["an image without a name", () => saved({ tags: [] }), /holds none.*docker tag ID tool:latest/],
    [
      "another name",
      () => saved({ tags: ["ko.local/tool:latest"] }),
      /holds "ko\.local\/tool:latest".*tag it tool:latest/,
    ],
    [
      "podman's name of another image",
      () => saved({ tags: ["localhost/other"] }),
      /holds "localhost\/other"/,
    ],
    [
      "a further name",
      () => saved({ tags: ["tool", "more"] }),
      /holds "tool", "more": save it by the one name/,
    ],
    ["an OCI layout without a name", () => layout({ annotations: {} }), /holds none/],
    [
      "an OCI layout with a tag alone",
      () => layout({ annotations: { "org.opencontainers.image.ref.name": "v1" } }),
      /holds "v1"/,
    ],
    ["an OCI layout without images", () => layout({ index: () => [] }), /names no image/],
    [
      "two images in an OCI layout",
      () => layout({ index: (own, blob) => [{ ...own, annotations: REF }, blob({})] }),
      /one image and no further one, it holds 2/,
    ],
    [
      "an image for none of the nodes",
      () =>
        layout({
          index: (own, blob) =>
            [own, blob({})].map((one, i) => ({
              ...one,
              annotations: REF,
              platform: { os: "linux", architecture: ["s390x", "mips"][i] },
            })),
        }),
      /for linux\/s390x, linux\/mips, the nodes are linux\//,
    ],
    [
      "an architecture of none",
      () => saved({ config: { architecture: "s390x" } }),
      /for linux\/s390x.*--platform/,
    ],
    ["an odd architecture", () => saved({ config: { architecture: {}, os: 7 } }), /the nodes are linux/],
    [
      "a manifest with another content than its name says",
      async () => {
        const bytes = await layout({ manifest: (own) => ({ ...own, note: "AAAA" }) });
        return Buffer.from(bytes.toString("latin1").replace("AAAA", "BBBB"), "latin1");
      },
      /is not what its name says/,
    ],
    [
      "indexes within indexes",
      () =>
        layout({
          index: (own, blob) => [
            { ...[1, 2, 3].reduce<object>((one) => blob({ manifests: [one] }), own), annotations: REF },
          ],
        }),
      /indexes within indexes/,
    ],
    [
      "an OCI manifest of something else",
      () => layout({ manifest: () => ({ layers: [] }) }),
      /not describe an image/,
    ],
    [
      "a layer packed with zstd",
      () => layout({ stored: [Buffer.from("\x28\xb5\x2f\xfd\0\0\0", "latin1")] }),
      /zstd: only tar and gzip.*docker-archive/,
    ],
    [
      "much behind a layer's end",
      () => saved({ layers: [Buffer.concat([layer, Buffer.alloc(LIMITS.layerTrailingBytes + 1, 1)])] }),
      /data after the end/,
    ],
  ])("%s", async (_, archive, expected) => {
    await expect(load(await archive())).rejects.toThrow(expected);
    await expect(load(await archive())).rejects.toBeInstanceOf(TarError);
  });
});

describe("a config is refused with", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `K${i}=v`);
  const keys = (count: number) => Object.fromEntries(many(count).map((key) => [`/${key}`, {}]));
  test.each<[string, Record<string, unknown> | unknown[], RegExp]>([
    ["a list for a config", [], /config must be an object/],
    ["many variables", { Env: many(LIMITS.imageConfigEntries + 1) }, /Env has 1001 entries/],
    ["variables that are no list", { Env: { A: "b" } }, /Env must be a list/],
    ["a variable that is no text", { Env: ["A=b", 7] }, /Env must be a list of texts/],
    ["a NUL in a variable", { Env: ["A=\0"] }, /Env holds a NUL/],
    ["many volumes", { Volumes: keys(LIMITS.imageVolumes + 1) }, /Volumes has 65 entries/],
    ["volumes as a list", { Volumes: ["/v"] }, /Volumes must be an object/],
    ["a NUL in a volume", { Volumes: { "/v\0w": {} } }, /Volumes holds a NUL/],
    ["many ports", { ExposedPorts: keys(LIMITS.imagePorts + 1) }, /ExposedPorts has/],
    ["a number for a working directory", { WorkingDir: 7 }, /WorkingDir must be a text/],
    ["a NUL in the working directory", { WorkingDir: "/a\0" }, /WorkingDir holds a NUL/],
    ["a NUL in the user", { User: "\0root" }, /User holds a NUL/],
    ["a list for a stop signal", { StopSignal: [] }, /StopSignal must be a text/],
    ["a number as command", { Cmd: 7 }, /Cmd must be a list/],
    ["many arguments", { Entrypoint: many(1001) }, /Entrypoint has/],
    ["many triggers", { OnBuild: many(1001) }, /OnBuild has/],
    ["a shell that is none", { Shell: {} }, /Shell must be a list/],
    ["labels that are no texts", { Labels: { a: {} } }, /Labels must be an object of texts/],
    ["a health check that is none", { Healthcheck: "x" }, /Healthcheck must be an object/],
    ["a field in two letter cases", { Volumes: {}, VOLUMES: keys(100) }, /"VOLUMES" twice/],
    ["a field whose case hides it", { vOLUMEſ: keys(100) }, /Volumes has 100 entries/],
  ])("%s", async (_, changes, expected) => {
    await expect(load(await saved({ config: { config: changes } }))).rejects.toThrow(expected);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["an object for its history", { history: {} }, /history must be a list/],
    ["no layers at all", { rootfs: undefined }, /names no layers/],
    ["layers that are no digests", { rootfs: { type: "layers", diff_ids: ["../../x"] } }, /names no layers/],
    ["two configs", { Config: { Labels: {} } }, /"Config" twice/],
    ["too many bytes", { author: "x".repeat(LIMITS.imageConfigBytes) }, /larger than/],
  ])("%s", async (_, config, expected) => {
    await expect(load(await saved({ config }))).rejects.toThrow(expected);
  });
});
