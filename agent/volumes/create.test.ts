import fs from "node:fs";
import path from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GiB } from "#protocol/limits.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { ShuttingDown } from "../operation.ts";

type Entry = Partial<Header> & { name: string; content?: string };

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const packed = pack();
  for (const { content = "", ...header } of entries) {
    packed.entry(
      header.type && header.type !== "file" ? header : { ...header, size: content.length },
      content,
    );
  }
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const create = (archive: Buffer, sizeBytes?: number) =>
  world
    .command("volume.create", {
      volume: "v",
      kind: "directory",
      source: "tar",
      ...(sizeBytes !== undefined && { sizeBytes }),
    })
    .stage("dir/archive", archive);
const bare = { volume: "v", kind: "directory", source: "empty" } as const;
const place = (...parts: string[]) => path.join(world.root, "ann", "v", ...parts);
const left = () => fs.readdirSync(world.volumes.incoming);

describe("volume.create", () => {
  test.each([
    ["a tar", (bytes: Buffer) => bytes],
    ["a gzip of one", gzipSync],
    ["a zstd of one", zstdCompressSync],
  ])("unpacks %s, with execute bits and links that stay inside", async (_, packed) => {
    const archive = await tar([
      { name: "./", type: "directory" },
      { name: "./bin/run", mode: 0o4755, content: "run" },
      { name: "data", content: "data" },
      { name: "bin/link", type: "symlink", linkname: "../data" },
      { name: "again", type: "link", linkname: "data" },
      { name: "out", type: "symlink", linkname: "../../etc/passwd" },
      { name: "away", type: "symlink", linkname: "/etc/passwd" },
      { name: "hard-out", type: "link", linkname: "../../data" },
      { name: "hard-away", type: "link", linkname: "/etc/passwd" },
      { name: "pipe", type: "fifo" },
    ]);
    expect(await world.run(create(packed(archive)))).toEqual({ bytes: 7 });
    expect(fs.readdirSync(place()).sort()).toEqual(["again", "bin", "data"]);
    expect(fs.readFileSync(place("again"), "utf8")).toBe("data");
    expect(fs.readlinkSync(place("bin", "link"))).toBe("../data");
    expect(fs.statSync(place("bin", "run")).mode & 0o7777).toBe(0o777);
    expect(fs.statSync(place("data")).mode & 0o7777).toBe(0o666);
    expect(left()).toEqual([]);
  });

  test.each<[string, (sizeBytes: number) => Promise<unknown>]>([
    ["without data", (sizeBytes) => world.run(world.command("volume.create", { ...bare, sizeBytes }))],
    ["with data", async (sizeBytes) => world.run(create(await tar([]), sizeBytes))],
  ])("made %s, it is over its size by what is written later, until it is made anew", async (_, make) => {
    await make(1000);
    for (let n = 0; n < 5; n++) fs.writeFileSync(place(`small-${n}`), "x".repeat(200));
    await world.volumes.measure("ann");
    expect(world.volumes.over("ann")).toEqual([]);
    fs.writeFileSync(place("small-5"), "x");
    await world.restart();
    await world.volumes.measure("ann");
    expect(world.volumes.over("ann")).toEqual(["v"]);
    expect(world.volumes.over("bob")).toEqual([]);
    await world.volumes.deleteVolume("ann", "v", "gone");
    world.volumes.ensure("ann", "v");
    fs.writeFileSync(place("large"), "x".repeat(2000));
    await world.volumes.measure("ann");
    expect(world.volumes.over("ann")).toEqual([]);
  });

  test.each<[string, Entry[]]>([
    ["an absolute name", [{ name: "/etc/x", content: "x" }]],
    ["a name that leads out", [{ name: "a/../../x", content: "x" }]],
    [
      "a name through a link",
      [
        { name: "d", type: "symlink", linkname: "." },
        { name: "d/x", content: "x" },
      ],
    ],
    ["a hard link by a name with ..", [{ name: "x", type: "link", linkname: "a/../first" }]],
    ["a hard link to nothing", [{ name: "x", type: "link", linkname: "nothing" }]],
    [
      "a file beneath a file",
      [
        { name: "x", content: "x" },
        { name: "x/y", content: "y" },
      ],
    ],
    [
      "a file in place of a directory",
      [
        { name: "x/y", content: "y" },
        { name: "x", content: "x" },
      ],
    ],
    ["too deep a tree", [{ name: `${"a/".repeat(129)}x`, content: "x" }]],
  ])("refuses an archive with %s, and leaves nothing", async (_, entries) => {
    const command = create(await tar([{ name: "first", content: "first" }, ...entries]));
    await expect(world.run(command)).rejects.toMatchObject({
      code: "SOURCES_REFUSED",
      message: expect.stringContaining("extracting sources: illegal path '"),
    });
    expect([fs.existsSync(place()), left()]).toEqual([false, []]);
  });

  test.each([
    ["no archive", Buffer.from("not an archive")],
    ["a gzip that is cut", gzipSync(Buffer.alloc(10_000, "x")).subarray(0, 20)],
  ])("refuses %s", async (_, archive) => {
    await expect(world.run(create(archive))).rejects.toMatchObject({ code: "SOURCES_REFUSED" });
    expect([fs.existsSync(place()), left()]).toEqual([false, []]);
  });

  test("refuses what holds little, and does not end once it is unpacked", async () => {
    const archive = gzipSync(await tar([{ name: "x", content: "x" }]));
    const bomb = gzipSync(Buffer.alloc(GiB / 4), { level: 1 });
    const command = create(Buffer.concat([archive, bomb]), 1000);
    await expect(world.run(command)).rejects.toMatchObject({ code: "DATA_TOO_LARGE" });
    expect([fs.existsSync(place()), left()]).toEqual([false, []]);
  });

  test("holds the data to the size of the volume, and to the quota", async () => {
    const archive = gzipSync(await tar([{ name: "large", content: "x".repeat(100_000) }]));
    await expect(world.run(create(archive, 99_999))).rejects.toMatchObject({ code: "DATA_TOO_LARGE" });
    world.quota = 50_000;
    await expect(world.run(create(archive))).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    expect([fs.existsSync(place()), left()]).toEqual([false, []]);
    world.quota = 2 ** 40;
    expect(await world.run(create(archive, 100_000))).toEqual({ bytes: 100_000 });
  });

  test("makes an empty volume; a name that is taken is VOLUME_EXISTS, and what is there stays", async () => {
    const empty = () => world.command("volume.create", { volume: "v", kind: "directory", source: "empty" });
    const first = empty();
    expect(await world.run(first)).toEqual({ bytes: 0 });
    fs.writeFileSync(place("mine"), "");
    expect(await world.run(first)).toEqual({ bytes: 0 });
    await expect(world.run(empty())).rejects.toMatchObject({ code: "VOLUME_EXISTS" });
    const archive = await tar([{ name: "x", content: "x" }]);
    await expect(world.run(create(archive))).rejects.toMatchObject({ code: "VOLUME_EXISTS" });
    expect(fs.readdirSync(place())).toEqual(["mine"]);
  });

  test("a disk image is NOT_SUPPORTED", async () => {
    const input = { volume: "v", kind: "ext2", source: "empty", sizeBytes: 1 } as const;
    await expect(world.run(world.command("volume.create", input))).rejects.toMatchObject({
      code: "NOT_SUPPORTED",
    });
  });

  test.each(["before", "after"] as const)("goes on after a death %s the commit was noted", async (when) => {
    const command = create(await tar([{ name: "x", content: "x" }]));
    const stop = new AbortController();
    const die = () => {
      stop.abort(new ShuttingDown());
      throw stop.signal.reason;
    };
    if (when === "before") command.beforeNote = die;
    else command.afterNote = die;
    await expect(world.run(command, stop.signal)).rejects.toThrow();
    command.beforeNote = undefined;
    command.afterNote = undefined;
    if (when === "before") expect(fs.existsSync(place())).toBe(false);
    expect(await world.run(command)).toEqual({ bytes: 1 });
    expect([fs.readdirSync(place()), left()]).toEqual([["x"], []]);
  });
});
