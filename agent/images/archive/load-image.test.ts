import { symlinkSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";
import {
  type ArchiveEntry,
  configOf,
  ociArchive,
  ociLayout,
  sha256,
  tarOf,
} from "#test/support/saved-archive.ts";

const world = new ImageWorld();
const { alice, bob, busybox } = world;

let base: Buffer;
let top: Buffer;

beforeAll(async () => {
  await world.setUp();
  base = await tarOf([{ name: `base-${world.id}`, content: "base\n" }]);
  top = await tarOf([{ name: `top-${world.id}`, content: "top\n" }]);
});
afterAll(() => world.tearDown());

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function loadBytes(user: string, image: string, bytes: Buffer): Promise<void> {
  await world.write(user, { "image.tar": bytes });
  await world.load(user, image, "image.tar");
}

/** Names of work that has not ended. */
const unfinished = async () =>
  (await world.tags()).filter((tag) => tag.startsWith("perigee-tmp") && !tag.includes("/labelled:"));

async function failureWith(bytes: Buffer, image = "hostile") {
  const failure = await failureOf(loadBytes(bob, image, bytes));
  expect(failure).toMatchObject({
    code: "IMAGE_LOAD_FAILED",
    message: "Docker Image tarfile failed to load",
  });
  expect(await world.store.resolve(bob, image)).toBeUndefined();
  expect(await unfinished()).toEqual([]);
  return failure.log;
}

describe("a load", () => {
  test("brings back what docker save wrote, under the user's name, with the same ID", async () => {
    await world.buildText(alice, "round", `FROM ${busybox}\nRUN echo a > /a\nRUN echo b > /b\n`);
    const { id } = (await world.store.resolve(alice, "round"))!;
    const name = `round-${world.id}`;
    await world.docker.getImage(id).tag({ repo: name, tag: "latest" });
    const saved = await collect(await world.docker.getImage(`${name}:latest`).get());
    await world.docker.getImage(`${name}:latest`).remove();
    for (const bytes of [saved, gzipSync(saved, { level: 1 })]) {
      await loadBytes(bob, name, bytes);
      expect((await world.store.resolve(bob, name))?.id).toBe(id);
      expect(await world.tags()).toContain(`${bob}-${name}:latest`);
      expect(await world.tags()).not.toContain(`${name}:latest`);
    }
    // one image, two owners: it stays for the other
    await world.run("image.delete", alice, { image: "round" });
    expect(await world.store.resolve(alice, "round")).toBeUndefined();
    expect(await world.output(id, ["cat", "/a", "/b"])).toBe("a\nb\n");
    await world.run("image.delete", bob, { image: name });
    expect(await world.store.inspect(id)).toBeUndefined();
  });

  test("takes the layout of newer engines, packed layers and one layer twice", async () => {
    const stored = [gzipSync(base), top, gzipSync(base)];
    const bytes = await ociArchive({ tags: ["oci:v2"], layers: [base, top, base], stored });
    await loadBytes(bob, "oci:v2", bytes);
    const { id } = (await world.store.resolve(bob, "oci:v2"))!;
    expect(id).toBe(`sha256:${sha256(configOf([base, top, base]))}`);
    expect(await world.store.resolve(bob, "oci")).toBeUndefined();
    expect(await world.run("image.list", bob, {})).toMatchObject({
      images: [{ name: "oci", tag: "v2", id, size: expect.any(Number), created: expect.any(Number) }],
    });
  });

  test("knows the name as it was given, in its long form, and as it is called onboard", async () => {
    for (const tag of [
      "named",
      "docker.io/library/named:latest",
      "docker.io/named",
      `${bob}-named`,
      `localhost:5000/${bob}-named:latest`,
    ]) {
      await loadBytes(bob, "named", await ociArchive({ tags: [tag], layers: [base] }));
      await world.run("image.delete", bob, { image: "named" });
    }
    for (const tags of [
      ["other"],
      ["named:v2"],
      [`${alice}-named`],
      ["evil.example/named"],
      ["named", "named:v2"],
      ["named", "named"],
      [],
    ]) {
      const log = await failureWith(await ociArchive({ tags, layers: [base] }), "named");
      expect(log, tags.join()).toContain("must hold an image tagged named:latest");
    }
  });

  test("says that the file is missing, by the user's path", async () => {
    const failure = await failureOf(world.load(bob, "missing", "no/such.tar"));
    expect(failure.log).toBe("sh: line 1: no/such.tar: No such file or directory\n");
    symlinkSync("/etc/passwd", world.path(bob, "default", "link.tar"));
    expect((await failureOf(world.load(bob, "missing", "link.tar"))).log).toContain("link");
    expect((await failureOf(world.load(bob, "missing", ""))).log).toContain("Is not a regular file");
  });

  test("refuses what is for other machines", async () => {
    for (const config of [{ architecture: "s390x" }, { os: "windows" }, { architecture: 7 }]) {
      const log = await failureWith(await ociArchive({ tags: ["hostile"], layers: [base], config }));
      expect(log).toContain("the nodes are linux/");
    }
  });

  test("refuses labels that look like the agent's", async () => {
    for (const [part, label] of [
      ["config", "perigee.instance"],
      ["container_config", "perigee.run"],
      ["config", "perigee.image"],
      ["config", "perigee.image.user"],
    ] as const) {
      const config = { [part]: { Labels: { other: "x", [label]: world.instance } } };
      const log = await failureWith(await ociArchive({ tags: ["hostile"], layers: [base], config }));
      expect(log).toContain(`has the label ${label}`);
    }
  });

  test("refuses what only the engine reads in a config with a key twice", async () => {
    const labels = { "perigee.image.user": alice };
    const volumes = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`/v${i}`, {}]));
    for (const [hidden, expected] of [
      [{ Labels: labels }, "has the label perigee.image.user"],
      [{ Volumes: volumes }, "65 volumes"],
    ] as const) {
      const config = configOf([base]).replace("{", `{"config":${JSON.stringify(hidden)},`);
      const entries = (list: ArchiveEntry[]) =>
        list.map((entry) => (entry.content === configOf([base]) ? { ...entry, content: config } : entry));
      expect(await failureWith(await ociArchive({ tags: ["hostile"], layers: [base], entries }))).toContain(
        expected,
      );
    }
  });

  test("takes to the engine what other tools write", async () => {
    const trailing = Buffer.concat([top, Buffer.alloc(512), Buffer.from("trailing")]);
    const annotations = { "org.opencontainers.image.ref.name": "localhost/tool:latest" };
    const none = { rootfs: { type: "layers" }, config: { Labels: { a: "b" } } };
    for (const [what, bytes] of Object.entries({
      podman: await ociArchive({ tags: ["localhost/tool:latest"], layers: [base] }),
      oci: await ociLayout({ layers: [base, top], stored: [gzipSync(base), top], annotations }),
      platformless: await ociArchive({
        tags: ["tool"],
        layers: [base],
        config: { os: "", architecture: undefined },
      }),
      odd: await ociArchive({ tags: ["tool"], layers: [base, Buffer.alloc(0), trailing, base] }),
      layerless: await ociArchive({ tags: ["tool"], layers: [], config: none }),
    })) {
      await loadBytes(bob, "tool", bytes);
      expect(await world.store.resolve(bob, "tool"), what).toBeDefined();
      await world.run("image.delete", bob, { image: "tool" });
    }
  });

  const map = (change: (entry: ArchiveEntry) => ArchiveEntry) => (entries: ArchiveEntry[]) =>
    entries.map(change);
  const isManifest = ({ name }: ArchiveEntry) => name === "manifest.json";
  const withManifest = (manifest: unknown) =>
    map((entry) => (isManifest(entry) ? { ...entry, content: JSON.stringify(manifest) } : entry));
  const add =
    (...more: ArchiveEntry[]) =>
    (entries: ArchiveEntry[]) => [...entries, ...more];

  const hostile: [string, (entries: ArchiveEntry[]) => ArchiveEntry[], RegExp][] = [
    ["no manifest", (entries) => entries.filter((entry) => !isManifest(entry)), /no manifest\.json/],
    ["two manifests", add({ name: "./manifest.json", content: "[]" }), /twice/],
    ["an absolute name", add({ name: "/etc/passwd", content: "x" }), /illegal name/],
    ["a name that climbs", add({ name: "a/../../x", content: "x" }), /illegal name/],
    ["a link out", add({ name: "a/l", type: "symlink", linkname: "../../etc/passwd" }), /illegal name/],
    ["an absolute link", add({ name: "l", type: "symlink", linkname: "/etc/passwd" }), /out of the archive/],
    ["a device", add({ name: "d", type: "character-device" }), /neither a file/],
    ["a manifest that is no JSON", map((e) => (isManifest(e) ? { ...e, content: "{" } : e)), /not JSON/],
    ["a manifest of something else", withManifest({ Config: "x" }), /one image/],
    [
      "a manifest without layers",
      withManifest([{ Config: "x", RepoTags: ["hostile"] }]),
      /not describe an image/,
    ],
    [
      "a config that is missing",
      withManifest([{ Config: "x", RepoTags: ["hostile"], Layers: [] }]),
      /holds no file "x"/,
    ],
    [
      "a config outside",
      withManifest([{ Config: "../x", RepoTags: ["hostile"], Layers: [] }]),
      /illegal name/,
    ],
    [
      "too many layers",
      withManifest([{ Config: "x", RepoTags: ["hostile"], Layers: Array(200).fill("x") }]),
      /image/,
    ],
    [
      "links in a circle",
      (entries) => [
        { name: "a", type: "symlink", linkname: "b" },
        { name: "b", type: "symlink", linkname: "a" },
        ...withManifest([{ Config: "a", RepoTags: ["hostile"], Layers: [] }])(entries),
      ],
      /holds no file "a"/,
    ],
    [
      "another layer than the config says",
      map((entry) => (entry.content === base ? { ...entry, content: top } : entry)),
      /not what the config says/,
    ],
    [
      "a second image",
      (entries) => {
        const [one] = JSON.parse(String(entries.find(isManifest)!.content)) as unknown[];
        return withManifest([one, { ...(one as object), RepoTags: [busybox] }])(entries);
      },
      /one image and no further/,
    ],
    [
      "too many entries",
      add(...Array.from({ length: 10_001 }, (_, i) => ({ name: `e${i}`, content: "" }))),
      /more than/,
    ],
  ];
  test.each(hostile)("refuses an archive with %s", async (_, entries, expected) => {
    expect(await failureWith(await ociArchive({ tags: ["hostile"], layers: [base], entries }))).toMatch(
      expected,
    );
  });

  test("refuses layers that swell", async () => {
    const zeros = Buffer.alloc(64 * 1024 * 1024);
    const big = await tarOf([{ name: "big", content: zeros }]);
    world.quota = (await world.store.usage(bob)) + 16 * 1024 * 1024;
    try {
      const bomb = await ociArchive({ tags: ["hostile"], layers: [big], stored: [gzipSync(big)] });
      expect(await failureWith(bomb)).toContain("unpack to more");
      expect(await failureWith(gzipSync(await ociArchive({ tags: ["hostile"], layers: [big] })))).toContain(
        "unpacks to more",
      );
    } finally {
      world.quota = 1024 ** 4;
    }
    const sparse = await tarOf([
      { name: "s", pax: { "GNU.sparse.major": "1", "GNU.sparse.realsize": "9999999999" }, content: "" },
    ]);
    expect(await failureWith(await ociArchive({ tags: ["hostile"], layers: [sparse] }))).toContain("sparse");
    for (const magic of ["BZh91AY", "\xfd7zXZ\0", "\x28\xb5\x2f\xfd\0\0"]) {
      const packed = Buffer.from(magic, "latin1");
      expect(await failureWith(await ociArchive({ tags: ["hostile"], layers: [packed] }))).toContain(
        "only tar and gzip",
      );
    }
    const damaged = gzipSync(base).fill(0xff, 12, 30);
    expect(
      await failureWith(await ociArchive({ tags: ["hostile"], layers: [base], stored: [damaged] })),
    ).toContain("damaged");
  });

  test("refuses what is no archive, or half of one", async () => {
    const whole = await ociArchive({ tags: ["hostile"], layers: [base] });
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from("not a tar\n".repeat(100)),
      gzipSync("not a tar\n".repeat(100)),
      whole.subarray(0, whole.length - 1024 - 700),
      gzipSync(whole).subarray(0, 300),
    ]) {
      await failureWith(bytes);
    }
  });

  test("leaves a public image of the same name what it was", async () => {
    const [name, tag] = busybox.split(":");
    const before = (await world.docker.getImage(busybox).inspect()).Id;
    await loadBytes(bob, `${name}:${tag}`, await ociArchive({ tags: [busybox], layers: [base] }));
    expect((await world.docker.getImage(busybox).inspect()).Id).toBe(before);
    expect((await world.store.resolve(alice, busybox))?.id).toBe(before);
    expect((await world.store.resolve(bob, busybox))?.id).not.toBe(before);
    await world.run("image.delete", bob, { image: busybox });
    expect((await world.store.resolve(bob, busybox))?.id).toBe(before);
  });

  test("stops when it is cancelled and leaves nothing", async () => {
    const controller = new AbortController();
    const reason = new PerigeeError("CANCELLED", "cancelled");
    await world.write(bob, { "image.tar": await ociArchive({ tags: ["stopped"], layers: [base] }) });
    const loading = world.load(bob, "stopped", "image.tar", {
      signal: controller.signal,
      onProgress: ({ phase }) => phase === "loading" && controller.abort(reason),
    });
    await expect(loading).rejects.toBe(reason);
    expect(await world.store.resolve(bob, "stopped")).toBeUndefined();
    expect(await unfinished()).toEqual([]);
  });
});
