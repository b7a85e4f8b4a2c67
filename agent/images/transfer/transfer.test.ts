import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RangedSource } from "#agent/files/ranged-source.ts";
import { spool } from "#agent/files/spool.ts";
import type { OperationContext } from "#agent/operation.ts";
import { ImageWorld } from "#test/support/image-world.ts";
import { ociArchive, tarOf } from "#test/support/saved-archive.ts";

const world = new ImageWorld();
const { alice, bob } = world;
const IN = { space: "unik" };

beforeAll(async () => {
  await world.setUp();
  world.room = 2 ** 40;
  const volume = world.path(alice, "default.unik");
  mkdirSync(volume, { recursive: true });
  const lines = [
    `FROM ${world.busybox}`,
    "ENV A=b",
    "LABEL own=kept",
    "EXPOSE 80",
    "RUN echo secret-step > /content",
    'ENTRYPOINT ["cat", "/content"]',
  ];
  writeFileSync(`${volume}/Dockerfile`, lines.join("\n"));
  await world.build(alice, "made", IN);
});
afterAll(() => world.tearDown());

let sent: Buffer;
/** numbers of what was gathered */
let gathered: number[];
beforeEach(() => {
  sent = Buffer.alloc(0);
  gathered = [];
});
const place = { directory: world.path("spool"), room: () => Number.POSITIVE_INFINITY };
const sending: Pick<OperationContext, "store" | "spool"> = {
  spool(n, make, maxBytes) {
    gathered.push(n);
    return spool(make(), place, { maxBytes, signal: new AbortController().signal });
  },
  async store(n, body) {
    const { size, read } = body as RangedSource;
    sent = Buffer.concat(await read(0, size).toArray());
    return { n, size };
  },
};

const send = (user: string, image: string, maxBytes = 2 ** 30) =>
  world.run("image.export", user, { ...IN, image, about: { Name: "app" }, maxBytes }, { sending });

async function take(
  user: string,
  image: string,
  archive: Uint8Array,
  replaces?: { image: string; pods: string[] },
) {
  const staged = world.path("staged");
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { recursive: true });
  writeFileSync(`${staged}/image.tar`, archive);
  return world.run("image.import", user, { ...IN, image, ...(replaces && { replaces }) });
}

/** What an archive holds, by name, in its order. */
async function contents(archive: Buffer): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const tar = extract();
  tar.end(archive);
  for await (const entry of tar) {
    found.set(entry.header.name, (await buffer(entry)).toString("latin1"));
  }
  return found;
}

const resolved = (user: string, image: string) => world.store.resolve(`${user}.unik`, image);

describe("export and import", () => {
  test("an image is the same elsewhere, and says nothing of where it was made", async () => {
    const result = await send(alice, "made");
    expect(result).toMatchObject({ content: { n: 0, size: sent.length }, architecture: expect.any(String) });
    const files = await contents(sent);
    const [first] = files.keys();
    expect(first).toBe("image.json");
    expect(JSON.parse(files.get("image.json")!)).toEqual({
      Image: { Name: "app" },
      Command: ["cat", "/content"],
      Env: expect.arrayContaining(["A=b"]),
      Ports: ["80/tcp"],
      Architecture: result.architecture,
    });
    expect(sent.includes("perigee.image")).toBe(false);
    expect(sent.includes(alice)).toBe(false);
    expect(sent.includes("echo secret-step")).toBe(false);
    expect(await take(bob, "taken", sent)).toEqual({ bytes: expect.any(Number), ports: [80] });
    const { id } = (await resolved(bob, "taken"))!;
    expect(await world.output(id, [])).toBe("secret-step\n");
    expect((await world.store.inspect(id))?.labels).toEqual({ own: "kept" });
    expect(await resolved(bob, "made")).toBeUndefined();
  });

  test("no image of others, and no public one, leaves the edge", async () => {
    for (const image of ["made", world.busybox.replace(/:.*/, ""), "nothing"]) {
      await expect(send(bob, image)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    }
  });

  test("one that is larger than it may be is not sent", async () => {
    await expect(send(alice, "made", 1_000_000)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    expect(sent).toHaveLength(0);
  });

  test("what an earlier try has gathered whole is not saved again, and the same is made of it", async () => {
    await send(alice, "made");
    const before = sent;
    let kept = Buffer.alloc(0);
    const spool: typeof sending.spool = async (n, make, most) => {
      const spooled = await sending.spool(n, make, most);
      kept = Buffer.concat(await spooled.read(0, spooled.size).toArray());
      return spooled;
    };
    const input = { ...IN, image: "made", about: { Name: "app" }, maxBytes: 2 ** 30 };
    await world.run("image.export", alice, input, { sending: { ...sending, spool } });
    const again: typeof sending.spool = (n, _, most) =>
      sending.spool(n, () => Readable.from([kept], { objectMode: false }), most);
    await world.run("image.export", alice, input, { sending: { ...sending, spool: again } });
    expect([new Set(gathered), sent.equals(before)]).toEqual([new Set([1]), true]);
  });

  test("an image lies once on the disk while it is sent", async () => {
    let [written, inParts] = [0, Buffer.alloc(0)];
    const input = { ...IN, image: "made", about: {}, maxBytes: 2 ** 30 };
    const counting: typeof sending = {
      async spool(n, make, most) {
        const spooled = await sending.spool(n, make, most);
        written += spooled.size;
        return spooled;
      },
      async store(n, body, most) {
        const { size, read } = body as RangedSource;
        const parts: Buffer[] = [];
        // wherever it is cut it is the same
        for (let start = 0; start < size; start += 1_000_003) {
          parts.push(...(await read(start, Math.min(1_000_003, size - start)).toArray()));
        }
        inParts = Buffer.concat(parts);
        return sending.store(n, body, most);
      },
    };
    await world.run("image.export", alice, input, { sending: counting });
    expect(inParts.equals(sent)).toBe(true);
    expect(written).toBeLessThan(1.1 * sent.length);
  });
});

describe("an archive that anybody made", () => {
  const layer = (content = "x") => tarOf([{ name: "file", content }]);
  const hostile: [string, () => Promise<Uint8Array>, RegExp][] = [
    ["no archive", async () => Buffer.from("this is no archive"), /archive/],
    ["image.json alone", () => tarOf([{ name: "image.json", content: "{}" }]), /manifest\.json/],
    [
      "labels of ours",
      async () =>
        ociArchive({
          tags: [],
          layers: [await layer()],
          config: { config: { Labels: { "perigee.image.user": "alice" } } },
        }),
      /reserved/,
    ],
    [
      "another architecture",
      async () => ociArchive({ tags: [], layers: [await layer()], config: { architecture: "s390x" } }),
      /linux\/s390x/,
    ],
    ["a name that leads out", async () => tarOf([{ name: "../x", content: "" }]), /illegal name/],
  ];
  test.each(hostile)("with %s is refused, and nothing of it stays", async (_, archive, reason) => {
    const before = await world.tags();
    await expect(take(bob, "bad", await archive())).rejects.toMatchObject({
      code: "IMAGE_LOAD_FAILED",
      data: { reason: expect.stringMatching(reason) },
    });
    expect(await resolved(bob, "bad")).toBeUndefined();
    expect(await world.tags()).toEqual(before);
    expect(await world.leftovers()).toEqual([]);
  });

  test("what it takes the place of goes once it is there", async () => {
    const archive = await ociArchive({ tags: [], layers: [await layer("old")] });
    await take(alice, "old", archive);
    const later = await ociArchive({ tags: [], layers: [await layer("new")] });
    await take(alice, "newer", later, { image: "old", pods: ["p1"] });
    expect(await resolved(alice, "old")).toBeUndefined();
    expect(await resolved(alice, "newer")).toBeDefined();
    expect(world.removedPods).toContain(`${alice}/p1`);
  });

  test("what it is called inside means nothing", async () => {
    const archive = await ociArchive({
      tags: [`${alice}-made:latest`, "busybox:latest"],
      layers: [await layer("y")],
    });
    await take(bob, "mine", archive);
    expect(await resolved(bob, "mine")).toBeDefined();
    expect((await world.tags()).filter((tag) => tag.includes("mine"))).toEqual([`${bob}.unik-mine:latest`]);
  });
});
