import { beforeAll, describe, expect, it } from "vitest";
import { type ArchiveOptions, archiveOf, gzipSync, tarOf } from "./support/archives.ts";
import type { Client, Fields } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { ownImages } from "./support/images.ts";
import { fileOf, output, outputOf, run, stopAll } from "./support/pods.ts";
import { named, other, target, user } from "./support/session.ts";

const LOADED = { message: "Tar file loaded successfully" };
const DELETED = { message: "Docker Image deleted successfully" };
let client: Client;
let layer: Buffer;
let architecture: string;
const volume = named("load");

beforeAll(async () => {
  client = await user();
  // the deployment's own busybox: the archive then fits its nodes
  await run(client, volume, { command: "cp /bin/busybox /data/busybox && uname -m > /data/machine" });
  await output(client, volume);
  const machine = (await fileOf(client, volume, "machine")).toString().trim();
  architecture = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm" }[machine] ?? machine;
  const busybox = await fileOf(client, volume, "busybox");
  layer = await tarOf([
    { name: "bin/" },
    { name: "bin/busybox", content: busybox },
    { name: "bin/sh", linkname: "busybox" },
    { name: "bin/echo", linkname: "busybox" },
  ]);
});

const archive = (image: string, options: Partial<ArchiveOptions> = {}) =>
  archiveOf({ tags: [`${image}:latest`], architecture, command: ["echo", "loaded"], layer, ...options });

async function load(image: string, tar: Uint8Array, fields: Fields = {}, by = client) {
  await by.uplink({ [`${image}.tar`]: tar }, { pod_name: volume, dest_path: "images" });
  return by.form("/em/pod/image/load", {
    tarfile: `images/${image}.tar`,
    image,
    pod_name: volume,
    ...fields,
  });
}

function expectFailed(answer: Awaited<ReturnType<typeof load>>, tail = /\S/): void {
  const body = expectRefusal(answer, 400, "IMAGE_LOAD_FAILED", "Docker Image tarfile failed to load");
  expect(Object.keys(body)).toEqual(["error", "message", "log_tail"]);
  expect(body.log_tail.length).toBeGreaterThan(0);
  for (const line of body.log_tail) expect(line).toMatch(/^[^\n]*\n$/);
  expect(body.log_tail.join("")).toMatch(tail);
}

describe("an archive", () => {
  it("is loaded, listed without prefix, and runs", async () => {
    const image = named("l-ok");
    expectOk(await load(image, await archive(image)), LOADED);
    expect((await ownImages(client)).get(image)).toMatchObject({ name: image, tag: "latest" });
    expect(await outputOf(client, image, { image })).toBe("loaded\n");
  });

  it("may be gzipped, and have a tag of its own", async () => {
    const image = named("l-gz");
    const tar = gzipSync(await archive(image, { tags: [`${image}:v1`] }));
    expectOk(await load(image, tar, { image: `${image}:v1` }), LOADED);
    expect((await ownImages(client)).get(image)).toMatchObject({ tag: "v1" });
  });

  it("of podman is loaded under the name that its user knows, for the node's own architecture, and runs", async () => {
    const image = named("l-podman");
    const tar = await archive(image, { tags: [`localhost/${image}:latest`], architecture: "" });
    expectOk(await load(image, tar), LOADED);
    expect(await outputOf(client, image, { image })).toBe("loaded\n");
  });

  it("replaces an image of that name", async () => {
    const image = named("l-again");
    expectOk(await load(image, await archive(image)), LOADED);
    expectOk(await load(image, await archive(image, { command: ["echo", "second"] })), LOADED);
    expect(await outputOf(client, image, { image })).toBe("second\n");
  });
});

describe("fails", () => {
  it("when the file is missing", async () => {
    const fields = { tarfile: "test2.tar", image: named("x"), pod_name: volume };
    expectFailed(await client.form("/em/pod/image/load", fields), /test2\.tar: No such file or directory/);
    const unused = { ...fields, pod_name: named("unused") };
    expectFailed(await client.form("/em/pod/image/load", unused), /No such file or directory/);
  });

  it.each(["../x.tar", "/etc/passwd", "images"])("when the path is %s", async (tarfile) => {
    const answer = await client.form("/em/pod/image/load", { tarfile, image: named("x"), pod_name: volume });
    expectFailed(answer);
  });

  it("when the path is a link out of the volume", async () => {
    await run(client, volume, { command: "ln -sf /etc/passwd /data/out.tar" });
    await output(client, volume);
    const fields = { tarfile: "out.tar", image: named("x"), pod_name: volume };
    expectFailed(await client.form("/em/pod/image/load", fields));
  });

  it.each<[string, () => Uint8Array | Promise<Uint8Array>]>([
    ["text", () => Buffer.from("this is no archive")],
    ["nothing", () => Buffer.alloc(0)],
    ["a gzip of text", () => gzipSync("text")],
    ["a tar without a manifest", () => tarOf([{ name: "a", content: "a" }])],
    ["a cut archive", async () => (await archive(named("l-cut"))).subarray(0, 3000)],
    ["a manifest that is no JSON", () => tarOf([{ name: "manifest.json", content: "{" }])],
    [
      "a manifest that names missing files",
      () => archive(named("x"), { manifest: ([one]) => [{ ...one, Layers: ["missing.tar"] }] }),
    ],
    [
      "a manifest that names files outside",
      () => archive(named("x"), { manifest: ([one]) => [{ ...one, Config: "../../etc/passwd" }] }),
    ],
  ])("when it is %s", async (_what, make) => {
    const image = named("l-bad");
    expectFailed(await load(image, await make()));
    expect([...(await ownImages(client)).keys()]).not.toContain(image);
  });

  it("when the tag is another, or one of several", async () => {
    const image = named("l-tags");
    expectFailed(await load(image, await archive(named("another"))));
    expectFailed(await load(image, await archive(image, { tags: [] })));
    expectFailed(
      await load(image, await archive(image, { tags: [`${image}:latest`, `${named("more")}:latest`] })),
    );
    expectFailed(await load(image, await archive(image, { tags: [`${image}:latest`, target.image] })));
    const names = [...(await ownImages(client)).keys()];
    for (const name of [image, named("another"), named("more"), target.image.split(":")[0]]) {
      expect(names).not.toContain(name);
    }
  });

  it("when it is a file system, as docker export writes it", async () => {
    const tar = await tarOf(["bin", "etc", "usr", "var"].map((name) => ({ name: `${name}/f`, content: "" })));
    expectFailed(await load(named("l-export"), tar), /docker export.*docker save/);
  });

  it("when no node has its architecture", async () => {
    const image = named("l-arch");
    expectFailed(await load(image, await archive(image, { architecture: "s390x" })));
  });

  it("never for a public image, which stays what it was", async () => {
    // The other user, of whom no pod runs meanwhile: to this one's the name would mean another image for a while.
    const theirs = await other();
    await stopAll(theirs);
    const before = await outputOf(theirs, named("l-before"), { command: "echo public" });
    const name = target.image.replace(/^.*\/|:.*$/g, "");
    const answer = await load(name, await archive(name, { tags: [target.image] }), {}, theirs);
    // as the user's own image of that name, if at all
    expect([200, 400]).toContain(answer.status);
    if (answer.status === 200) {
      expect(await outputOf(theirs, named("l-own"), { image: name })).toBe("loaded\n");
      expectOk(await theirs.form("/em/pod/image/delete", { image: name }), DELETED);
    }
    expect(await outputOf(theirs, named("l-after"), { command: "echo public" })).toBe(before);
  });
});

describe("fields", () => {
  it("tarfile and image are required, and the image's name has its rule", async () => {
    expectInvalid(await client.form("/em/pod/image/load", { image: "x" }), "tarfile");
    expectInvalid(await client.form("/em/pod/image/load", { tarfile: "x.tar" }), "image");
    for (const image of ["Upper", "docker.io/x", "x:y:z", "localhost/x"]) {
      expectInvalid(await client.form("/em/pod/image/load", { tarfile: "x.tar", image }), "image");
    }
  });
});
