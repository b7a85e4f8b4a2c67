import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { extract } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Directory } from "./directory.ts";
import { type PackOptions, packDirectory } from "./pack-directory.ts";

let base: string;
let root: Directory;
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "pack-"));
  root = Directory.open(base);
});
afterEach(() => {
  root.close();
  fs.rmSync(base, { recursive: true, force: true });
});

type Packed = Record<string, string | null>;

async function unpack(options?: PackOptions): Promise<Packed> {
  const tar = await buffer(packDirectory(root, options));
  const out: Packed = {};
  const reader = extract();
  reader.end(tar);
  for await (const entry of reader) {
    const content = await buffer(entry as unknown as AsyncIterable<Buffer>);
    out[entry.header.name] = entry.header.type === "directory" ? null : content.toString();
  }
  return out;
}

describe("packDirectory", () => {
  it("packs files and directories, and nothing else", async () => {
    fs.mkdirSync(`${base}/a/empty`, { recursive: true });
    fs.writeFileSync(`${base}/a/f`, "one");
    fs.writeFileSync(`${base}/é`, "two");
    fs.writeFileSync(`${base}/${"n".repeat(200)}`, "long");
    fs.writeFileSync(`${base}/zero`, "");
    fs.symlinkSync("/etc/passwd", `${base}/link`);
    fs.symlinkSync("/etc", `${base}/dirlink`);
    execFileSync("mkfifo", [`${base}/fifo`]);
    expect(await unpack()).toEqual({
      "a/": null,
      "a/empty/": null,
      "a/f": "one",
      é: "two",
      ["n".repeat(200)]: "long",
      zero: "",
    });
  });

  it("leaves out what the filter refuses, and what lies in it", async () => {
    fs.mkdirSync(`${base}/a/b`, { recursive: true });
    fs.writeFileSync(`${base}/a/b/f`, "one");
    fs.writeFileSync(`${base}/c`, "two");
    expect(await unpack({ filter: (name) => name !== "a" })).toEqual({ c: "two" });
  });

  it("adds further files at the end", async () => {
    expect(await unpack({ extra: [{ path: "Dockerfile", content: Buffer.from("FROM x") }] })).toEqual({
      Dockerfile: "FROM x",
    });
  });

  it("carries many entries through a slow reader", async () => {
    for (let i = 0; i < 300; i++) fs.mkdirSync(`${base}/d${i}`);
    fs.writeFileSync(`${base}/big`, Buffer.alloc(12 * 1024 * 1024, 7));
    const packed = await unpack();
    expect(Object.keys(packed)).toHaveLength(301);
    expect(packed.big).toHaveLength(12 * 1024 * 1024);
  });

  it("fails when a file shrinks while it is read", async () => {
    fs.writeFileSync(`${base}/f`, Buffer.alloc(8 * 1024 * 1024));
    const reading = packDirectory(root);
    let seen = 0;
    await expect(
      (async () => {
        for await (const chunk of reading) {
          seen += chunk.length;
          fs.truncateSync(`${base}/f`, 10);
        }
      })(),
    ).rejects.toThrow("shrank");
    expect(seen).toBeLessThan(8 * 1024 * 1024);
  });

  it("cuts a file that grows at the size it had", async () => {
    fs.writeFileSync(`${base}/f`, Buffer.alloc(8 * 1024 * 1024, 1));
    const chunks: Buffer[] = [];
    for await (const chunk of packDirectory(root)) {
      chunks.push(chunk);
      fs.appendFileSync(`${base}/f`, "more");
    }
    // header, content, end of tar
    expect(Buffer.concat(chunks)).toHaveLength(512 + 8 * 1024 * 1024 + 1024);
  });

  it("meets its bounds with an error", async () => {
    fs.mkdirSync(`${base}/1/2/3`, { recursive: true });
    fs.writeFileSync(`${base}/f`, "12345");
    await expect(unpack({ maxDepth: 3 })).rejects.toThrow("deeper than 3");
    await expect(unpack({ maxEntries: 3 })).rejects.toThrow("more than 3");
    await expect(unpack({ maxBytes: 4 })).rejects.toThrow("larger together");
    await expect(unpack({ maxBytes: 5, maxEntries: 4, maxDepth: 4 })).resolves.toBeDefined();
  });

  it("ends with the signal's reason, and closes what it opened", async () => {
    fs.writeFileSync(`${base}/f`, Buffer.alloc(8 * 1024 * 1024));
    const abort = new AbortController();
    const reading = packDirectory(root, { signal: abort.signal });
    const open = () => fs.readdirSync("/proc/self/fd").map((fd) => linkOf(fd));
    await expect(
      (async () => {
        for await (const _ of reading) abort.abort(new Error("enough"));
      })(),
    ).rejects.toThrow("enough");
    await expect.poll(() => open().filter((target) => target.startsWith(`${base}/`))).toEqual([]);
  });

  it("closes what it opened when the reader goes away", async () => {
    fs.mkdirSync(`${base}/d`);
    fs.writeFileSync(`${base}/d/f`, Buffer.alloc(8 * 1024 * 1024));
    const reading = packDirectory(root);
    for await (const _ of reading) break;
    const open = () => fs.readdirSync("/proc/self/fd").map((fd) => linkOf(fd));
    await expect.poll(() => open().filter((target) => target.startsWith(`${base}/`))).toEqual([]);
  });
});

function linkOf(fd: string): string {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

describe("names and kinds", () => {
  const NAMES = [
    [0xe9],
    [0xe8, 0x2e, 0x74],
    Array(255).fill(0xe9),
    [...Buffer.from("é")],
    [...Buffer.from("é".repeat(120))],
    [...Buffer.from("n".repeat(255))],
    [...Buffer.from("line\nend \t\x01\\x")],
    [...Buffer.from("\ufffd")],
  ].map((bytes) => Buffer.from(bytes as number[]));
  const inBase = (name: Buffer) => Buffer.concat([Buffer.from(`${base}/`), name]);

  /** Unpacks with the system's tar, and gives what is there then. */
  async function throughTar(options?: PackOptions): Promise<Buffer[]> {
    const out = fs.mkdtempSync(path.join(os.tmpdir(), "unpacked-"));
    try {
      execFileSync("tar", ["-xf", "-", "-C", out], { input: await buffer(packDirectory(root, options)) });
      return fs.readdirSync(out, { encoding: "buffer" }).sort(Buffer.compare);
    } finally {
      fs.rmSync(out, { recursive: true });
    }
  }

  it("come out as they are on disk, whatever bytes they are", async () => {
    for (const name of NAMES) fs.writeFileSync(inBase(name), name);
    fs.mkdirSync(inBase(Buffer.from([0x64, 0xff])));
    expect(await throughTar()).toEqual([...NAMES, Buffer.from([0x64, 0xff])].sort(Buffer.compare));
  });

  it("come out as they are, any of them", async () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 255 })
      .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte))))
      .filter((bytes) => ![".", ".."].includes(bytes.toString("latin1")));
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 8 }), async (names) => {
        for (const old of fs.readdirSync(base, { encoding: "buffer" })) fs.rmSync(inBase(old));
        for (const one of names) fs.writeFileSync(inBase(one), "");
        const there = fs.readdirSync(base, { encoding: "buffer" }).sort(Buffer.compare);
        expect(await throughTar()).toEqual(there);
      }),
      { numRuns: 15 },
    );
  });

  it("links and modes go along when they are asked for, and the rest is told", async () => {
    fs.writeFileSync(`${base}/f`, "f");
    fs.linkSync(`${base}/f`, `${base}/g`);
    fs.chmodSync(`${base}/f`, 0o4750);
    fs.symlinkSync(Buffer.concat([Buffer.from("/"), Buffer.alloc(150, 0xe9)]), `${base}/l`);
    execFileSync("mkfifo", [`${base}/fifo`]);
    const told: string[] = [];
    const stream = packDirectory(root, {
      links: true,
      modeOf: ({ mode }) => Number(mode) & 0o7777,
      leftOut: (name) => told.push(name),
    });
    const out = fs.mkdtempSync(path.join(os.tmpdir(), "unpacked-"));
    try {
      execFileSync("tar", ["-xpf", "-", "-C", out], { input: await buffer(stream) });
      expect(fs.statSync(`${out}/g`)).toMatchObject({ ino: fs.statSync(`${out}/f`).ino, mode: 0o104750 });
      expect(fs.readlinkSync(`${out}/l`, "latin1")).toBe(`/${"\xe9".repeat(150)}`);
    } finally {
      fs.rmSync(out, { recursive: true });
    }
    expect(told).toEqual(["fifo"]);
  });
});
