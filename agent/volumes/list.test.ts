import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import { xxh64 } from "@node-rs/xxhash";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { xxh64Of } from "#test/support/xxh64-of.ts";

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const at = new Date("2025-11-20T12:31:59.999Z");

function write(name: string, content: string | Buffer): void {
  fs.writeFileSync(`${world.volume}/${name}`, content);
  fs.utimesSync(`${world.volume}/${name}`, at, at);
}

async function text(): Promise<{ text: string; truncated: boolean }> {
  const command = world.command("volume.list", { volume: "v" });
  const { listing, content, truncated } = await world.run(command);
  if (content) expect(command.stored()).toHaveLength(content.size);
  return { text: listing ?? command.stored().toString(), truncated };
}

const list = async () => JSON.parse((await text()).text) as Record<string, unknown>[];

const signed = (content: string | Buffer) => BigInt.asIntN(64, xxh64(content)).toString();

describe("volume.list", () => {
  it("lists a volume that was never used as empty, and makes nothing", async () => {
    expect(await text()).toEqual({ text: "[]", truncated: false });
    expect(fs.readdirSync(world.root).sort()).toEqual([".incoming", ".trash"]);
  });

  it("writes exactly the contract's shape, with hashes as raw 64-bit numbers", async () => {
    world.make();
    write("b.txt", "content");
    fs.mkdirSync(`${world.volume}/a`);
    write("a/x", "12345");
    write("a/y", "");
    fs.utimesSync(`${world.volume}/a`, at, at);
    expect((await text()).text).toBe(
      `[{"type":"directory","name":"a","size":"5","time":"2025-11-20-12-31","contents":[` +
        `{"type":"file","name":"x","size":"5","time":"2025-11-20-12-31","hash":${signed("12345")}},` +
        `{"type":"file","name":"y","size":"0","time":"2025-11-20-12-31","hash":-1205034819632174695}]},` +
        `{"type":"file","name":"b.txt","size":"7","time":"2025-11-20-12-31","hash":${signed("content")}}]`,
    );
  });

  it("gives XXH64 as it is specified, for files of every size", async () => {
    world.make();
    const sizes = [0, 1, 4, 31, 32, 4096, 1024 * 1024, 1024 * 1024 + 1, 2_500_013];
    for (const size of sizes) write(`f${size}`, Buffer.alloc(size, `seed ${size}`));
    const { text: found } = await text();
    for (const size of sizes) {
      const hash = BigInt.asIntN(64, xxh64Of(Buffer.alloc(size, `seed ${size}`)));
      expect(found).toMatch(new RegExp(`"name":"f${size}","size":"${size}","time":"[^"]+","hash":${hash}}`));
    }
  });

  it("sorts by the bytes of the names and writes any name as JSON", async () => {
    world.make();
    const names = ["B", "a", "a b", 'quote"', "back\\slash", "tab\t", "é", "\u{1F680}", "\uFF5E", "line\n"];
    for (const name of names) write(name, name);
    const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await list()).map(({ name }) => name)).toEqual(sorted);
  });

  it("never follows or opens what is no file or directory", async () => {
    world.make();
    execFileSync("mkfifo", [`${world.volume}/fifo`]);
    fs.symlinkSync("/etc", `${world.volume}/etc`);
    fs.symlinkSync("gone", `${world.volume}/dangling`);
    execFileSync("mknod", [`${world.volume}/null`, "c", "1", "3"]);
    const found = await list();
    expect(found.map(({ type, name, size, hash }) => ({ type, name, size, hash }))).toEqual([
      { type: "symlink", name: "dangling", size: "4" },
      { type: "symlink", name: "etc", size: "4" },
      { type: "other", name: "fifo", size: "0" },
      { type: "other", name: "null", size: "0" },
    ]);
  });

  it("shows names that are not UTF-8, as what cannot be asked for, and each under a name of its own", async () => {
    world.make();
    const names = [
      [0x61, 0xff],
      [0x61, 0xfe],
      [...Buffer.from("a\\xFF")],
      [...Buffer.from("a\\xFF?")],
      [...Buffer.from("\ufffd"), 0xfe],
      [0x5c, 0xfe],
      [0xfe, ...Buffer.from("\\xFE")],
      [...Buffer.from("\\xFE"), 0xfe],
    ].map((bytes) => Buffer.from(bytes));
    const inVolume = (name: Buffer) => Buffer.concat([Buffer.from(`${world.volume}/`), name]);
    for (const name of names) fs.writeFileSync(inVolume(name), "content");
    fs.mkdirSync(inVolume(Buffer.from([0xfe])));
    const found = await list();
    expect(Object.fromEntries(found.map(({ type, name }) => [name, type]))).toEqual({
      "a\\xFF": "file",
      "a\\xFF?": "file",
      "a\\xFF??": "other",
      "a\\xFE": "other",
      "\ufffd\\xFE": "other",
      "\\\\\\xFE": "other",
      "\\xFE\\\\xFE": "other",
      "\\\\xFE\\xFE": "other",
      "\\xFE": "other",
    });
    const bytesOf = ({ name, name_base64: encoded }: Record<string, unknown>) =>
      encoded === undefined ? Buffer.from(String(name)) : Buffer.from(String(encoded), "base64");
    expect(found.map(bytesOf).sort(Buffer.compare)).toEqual(
      [...names, Buffer.from([0xfe])].sort(Buffer.compare),
    );
  });

  it("gives null for sparse giants and hashes what stands beside them", async () => {
    world.make();
    fs.writeFileSync(`${world.volume}/a-giant`, "");
    fs.truncateSync(`${world.volume}/a-giant`, 2 ** 43);
    write("real", "content");
    const { text: found } = await text();
    expect(found).toContain(`"name":"a-giant","size":"${2 ** 43}"`);
    expect(JSON.parse(found)[0].hash).toBeNull();
    expect(found).toContain(`"hash":${signed("content")}`);
  });

  it("says when it stopped at the depth bound", async () => {
    world.make();
    fs.mkdirSync(`${world.volume}/${Array(127).fill("d").join("/")}`, { recursive: true });
    expect((await text()).truncated).toBe(false);
    fs.mkdirSync(`${world.volume}/${Array(129).fill("d").join("/")}`, { recursive: true });
    expect((await text()).truncated).toBe(true);
  });

  it("puts a long listing into staging, the same text", async () => {
    world.make();
    for (let i = 0; i < 1500; i++) write(`file-${i}`, `${i}`);
    const command = world.command("volume.list", { volume: "v" });
    const { listing, content } = await world.run(command);
    expect(listing).toBeUndefined();
    expect(content?.size).toBeGreaterThan(64 * 1024);
    expect(JSON.parse(command.stored().toString())).toHaveLength(1500);
  });

  it("stops with the signal's reason", async () => {
    world.make();
    write("a", "1");
    const signal = AbortSignal.abort(new PerigeeError("CANCELLED", "cancelled"));
    expect(await world.code(world.command("volume.list", { volume: "v" }), signal)).toBe("CANCELLED");
    expect(await list()).toHaveLength(1);
  });

  it("lists many times with one thread", async () => {
    world.make();
    for (let i = 0; i < 100; i++) write(`f${i}`, "1");
    const all = await Promise.all(Array.from({ length: 30 }, () => text()));
    expect(new Set(all.map((one) => one.text)).size).toBe(1);
  });

  it("knows the hashes of what was uplinked, until it changes", async () => {
    const uplink = world.uplink({ a: "one", b: "two" });
    // A file is known only when the clock's tick of its last write is over by the time it is put in place.
    uplink.afterNote = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    await world.run(uplink);
    // the hash is known without a read: what the table says is what is shown
    expect(fs.existsSync(world.volumes.hashes.fileOf("ann", "v"))).toBe(true);
    expect((await text()).text).toContain(`"hash":${signed("one")}`);
    fs.writeFileSync(`${world.volume}/a`, "ONE");
    expect((await text()).text).toContain(`"hash":${signed("ONE")}`);
    expect((await text()).text).toContain(`"hash":${signed("two")}`);
  });

  it.each([
    ["small volume, listed at once", 0],
    ["larger one, listed by the thread", 100],
  ])("never leaves a %s, while another process swaps files and directories for links", async (_, others) => {
    world.make();
    for (let i = 0; i < others; i++) write(`other-${i}`, "");
    fs.mkdirSync(`${world.base}/outside`);
    fs.writeFileSync(`${world.base}/outside/f`, "secret");
    fs.mkdirSync(`${world.volume}/d`);
    fs.writeFileSync(`${world.volume}/d/f`, "content");
    const { spawn } = await import("node:child_process");
    const swapper = spawn(
      process.execPath,
      [
        "-e",
        `const fs = require("fs"); const [, v, out] = process.argv;
         for (let i = 0; i < 4000; i++) {
           fs.renameSync(v + "/d", v + "/kept"); fs.symlinkSync(out, v + "/d");
           fs.unlinkSync(v + "/d"); fs.renameSync(v + "/kept", v + "/d");
           fs.renameSync(v + "/d/f", v + "/d/g"); fs.symlinkSync(out + "/f", v + "/d/f");
           fs.unlinkSync(v + "/d/f"); fs.renameSync(v + "/d/g", v + "/d/f"); }`,
        world.volume,
        `${world.base}/outside`,
      ],
      { stdio: "ignore" },
    );
    let running = true;
    const ended = new Promise((resolve) => swapper.once("exit", resolve)).then((code) => {
      running = false;
      return code;
    });
    let listings = 0;
    while (running) {
      expect((await text()).text).not.toContain(signed("secret"));
      listings++;
      // a small volume's listing does no I/O that would let the exit be heard
      await setImmediate();
    }
    expect(await ended).toBe(0);
    expect(listings).toBeGreaterThan(0);
  });
});
