import { execFile, execFileSync } from "node:child_process";
import fs, { createWriteStream } from "node:fs";
import os from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GiB, MiB } from "#protocol/limits.ts";
import { share } from "#test/support/long-run.ts";
import { Directory } from "./directory.ts";
import { type ZipOptions, zipDirectory } from "./zip-directory.ts";

const run = promisify(execFile);

let base: string;
let tree: string;
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "zip-"));
  tree = path.join(base, "tree");
  fs.mkdirSync(tree);
});
afterEach(() => fs.rmSync(base, { recursive: true, force: true }));

const write = (name: string | Buffer, content: string | Buffer = "") =>
  fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(name)]), content);

async function zipped(options: ZipOptions = {}): Promise<Buffer> {
  using directory = Directory.open(tree);
  return await buffer(zipDirectory(directory, options));
}

async function zipFile(): Promise<string> {
  using directory = Directory.open(tree);
  const file = path.join(base, "out.zip");
  await pipeline(zipDirectory(directory), createWriteStream(file));
  return file;
}

/** What Python's zipfile makes of it: names, sizes and, unless `names` is said, whether all of it is whole. */
async function read(file: string, whole = true): Promise<{ name: string; size: number; mode: number }[]> {
  const program = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
if sys.argv[2] == "whole": assert z.testzip() is None
json.dump([dict(name=i.filename, size=i.file_size, mode=i.external_attr >> 16) for i in z.infolist()], sys.stdout)`;
  const { stdout } = await run("python3", ["-c", program, file, whole ? "whole" : "names"], {
    maxBuffer: 64 * MiB,
  });
  return JSON.parse(stdout);
}

const hasUnzip = (() => {
  try {
    execFileSync("unzip", ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
/** Debian's unzip, where there is one, finds nothing wrong. */
async function unzips(file: string, ...entries: string[]): Promise<void> {
  if (hasUnzip) await run("unzip", ["-tqq", file, ...entries], { maxBuffer: 64 * MiB });
}

describe("a directory as a zip", () => {
  test("has its files and directories with times, modes and UTF-8 names; links and special files are left out", async () => {
    fs.mkdirSync(`${tree}/sub/empty`, { recursive: true });
    write("a.txt", "hello");
    write("sub/ünï.bin", Buffer.alloc(100_000, "x"));
    write(Buffer.from([0x62, 0xe9]), "latin");
    write("c\\d", "backslash");
    write("script", "#!/bin/sh");
    fs.chmodSync(`${tree}/script`, 0o4755);
    fs.symlinkSync("/etc/passwd", `${tree}/link`);
    execFileSync("mkfifo", [`${tree}/fifo`]);
    const file = await zipFile();
    const entries = await read(file);
    expect(entries.map(({ name, size }) => [name, size])).toEqual([
      ["a.txt", 5],
      ["b%E9", 5],
      ["c%5Cd", 9],
      ["script", 9],
      ["sub/", 0],
      ["sub/empty/", 0],
      ["sub/ünï.bin", 100_000],
    ]);
    expect(entries.find(({ name }) => name === "script")?.mode).toBe(0o100755);
    await unzips(file);
  });

  test("of nothing is a zip", async () => {
    expect(await read(await zipFile())).toEqual([]);
  });

  test("is the same for the same tree", async () => {
    for (let i = 0; i < 20; i++) write(`f${i}`, Buffer.alloc(i * 10_000, i));
    const first = await zipped();
    expect((await zipped()).equals(first)).toBe(true);
    write("f3", "other");
    expect((await zipped()).equals(first)).toBe(false);
  });

  test("fails over its bounds, on the signal and when a file shrinks, and leaves nothing open", async () => {
    write("a", Buffer.alloc(4 * MiB, "a"));
    write("b", Buffer.alloc(4 * MiB, "b"));
    await expect(zipped({ maxBytes: 8 * MiB - 1 })).rejects.toThrow(/larger together/);
    const reason = new Error("enough");
    await expect(zipped({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    {
      using directory = Directory.open(tree);
      const stream = zipDirectory(directory);
      fs.truncateSync(`${tree}/a`, 2 ** 33);
      stream.once("data", () => fs.truncateSync(`${tree}/a`, 1));
      await expect(buffer(stream)).rejects.toThrow(/shrank/);
      fs.truncateSync(`${tree}/a`, 2 ** 33);
      const left = zipDirectory(directory);
      await new Promise((resolve) => left.once("data", resolve));
      const closed = new Promise((resolve) => left.once("close", resolve));
      left.destroy();
      await closed;
    }
    const open = () =>
      fs.readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(base);
        } catch {
          return false;
        }
      });
    await expect.poll(open).toEqual([]);
  });

  test("has over 65,535 entries", async () => {
    const count = 66_000;
    // names of two files: they are made quicker than files, and a file has at most 65,000
    for (const first of [0, count / 2]) {
      write(`${first}`);
      for (let i = 1; i < count / 2; i++) fs.linkSync(`${tree}/${first}`, `${tree}/${first + i}`);
    }
    const file = await zipFile();
    expect((await read(file, false)).length).toBe(count);
    await unzips(file);
  });

  test("has a large file, in a long run one over 4 GiB, and what follows it", async () => {
    const size = share(4 * GiB, 64 * MiB) + 5;
    write("after", "x");
    write("giant");
    fs.truncateSync(`${tree}/giant`, size);
    write("last", "y");
    const file = await zipFile();
    expect((await read(file, false)).map(({ name, size }) => [name, size])).toEqual([
      ["after", 1],
      ["giant", size],
      ["last", 1],
    ]);
    await unzips(file, "after", "last");
    const last = await run("python3", [
      "-c",
      "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('last').decode())",
      file,
    ]);
    expect(last.stdout).toBe("y\n");
  });
});
