import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Directory } from "./directory.ts";
import { removeTree } from "./remove-tree.ts";

let base: string;
let holder: Directory;
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "remove-"));
  fs.mkdirSync(`${base}/holder`);
  holder = Directory.open(`${base}/holder`);
});
afterEach(() => {
  holder.close();
  fs.rmSync(base, { recursive: true, force: true });
});

const there = () => fs.readdirSync(`${base}/holder`);

/** Makes a chain of directories deeper than any path may be long. */
function deep(levels: number): void {
  let at = holder.makeDirectory("x");
  for (let i = 0; i < levels; i++) {
    const next = at.makeDirectory("a-directory");
    at.close();
    at = next;
  }
  fs.writeFileSync(at.at("bottom"), "");
  at.close();
}

describe("removeTree", () => {
  it("removes files, directories, links and special files", async () => {
    fs.mkdirSync(`${base}/holder/x/a/b`, { recursive: true });
    fs.writeFileSync(`${base}/holder/x/a/b/f`, "1");
    fs.symlinkSync("/etc", `${base}/holder/x/link`);
    execFileSync("mkfifo", [`${base}/holder/x/fifo`]);
    fs.writeFileSync(`${base}/holder/y`, "stays");
    await removeTree(holder, "x");
    expect(there()).toEqual(["y"]);
    expect(fs.existsSync("/etc/passwd")).toBe(true);
    await removeTree(holder, "y");
    await removeTree(holder, "never-was");
    expect(there()).toEqual([]);
  });

  it("removes a link, not what it leads to", async () => {
    fs.mkdirSync(`${base}/outside`);
    fs.writeFileSync(`${base}/outside/f`, "stays");
    fs.symlinkSync(`${base}/outside`, `${base}/holder/x`);
    await removeTree(holder, "x");
    expect(there()).toEqual([]);
    expect(fs.readdirSync(`${base}/outside`)).toEqual(["f"]);
  });

  it("removes names that are not UTF-8", async () => {
    fs.mkdirSync(`${base}/holder/x`);
    for (const bytes of [[0xff], [0xc3, 0x28], [0xe9, 0x2e, 0x80]]) {
      const name = Buffer.concat([Buffer.from(`${base}/holder/x/`), Buffer.from(bytes)]);
      fs.mkdirSync(name);
      fs.writeFileSync(Buffer.concat([name, Buffer.from("/"), Buffer.from([0xfe])]), "1");
    }
    await removeTree(holder, "x");
    expect(there()).toEqual([]);
  });

  it("takes no more for a tree 5,000 directories deep", async () => {
    deep(5000);
    await removeTree(holder, "x");
    expect(there()).toEqual([]);
  });

  it("removes a huge directory and lets others run meanwhile", async () => {
    fs.mkdirSync(`${base}/holder/x`);
    for (let i = 0; i < 20_000; i++) fs.closeSync(fs.openSync(`${base}/holder/x/${i}`, "w"));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await removeTree(holder, "x");
    clearInterval(timer);
    expect(there()).toEqual([]);
    expect(turns).toBeGreaterThan(10);
  });

  it("stops when told to, and what is left can be removed later", async () => {
    deep(300);
    const stop = new AbortController();
    const removing = removeTree(holder, "x", stop.signal);
    stop.abort(new Error("enough"));
    await expect(removing).rejects.toThrow("enough");
    expect(there()).not.toEqual([]);
    for (const name of there()) await removeTree(holder, name);
    expect(there()).toEqual([]);
  });

  it("goes on where an earlier removal was cut and left lifted names", async () => {
    fs.mkdirSync(`${base}/holder/x/sub/full`, { recursive: true });
    fs.mkdirSync(`${base}/holder/x~0/full`, { recursive: true });
    fs.writeFileSync(`${base}/holder/x~1`, "a file");
    await removeTree(holder, "x");
    expect(there().sort()).toEqual(["x~0", "x~1"]);
  });

  it("never leaves the tree while another process swaps directories for links", async () => {
    fs.mkdirSync(`${base}/outside/d`, { recursive: true });
    for (let i = 0; i < 50; i++) fs.writeFileSync(`${base}/outside/d/f${i}`, "stays");
    const swap = `cd ${base}/holder/x 2>/dev/null || exit 0
      i=0; while [ $i -lt 300 ]; do
        mkdir -p s/t 2>/dev/null; mv s gone$i 2>/dev/null; ln -s ${base}/outside/d s 2>/dev/null; rm -f s 2>/dev/null
        i=$((i+1)); done`;
    for (let round = 0; round < 5; round++) {
      fs.mkdirSync(`${base}/holder/x/s/t`, { recursive: true });
      const { spawn } = await import("node:child_process");
      const swapper = spawn("/bin/sh", ["-c", swap], { stdio: "ignore" });
      const ended = new Promise((resolve) => swapper.once("exit", resolve));
      await removeTree(holder, "x");
      await ended;
      for (const name of there()) await removeTree(holder, name);
      expect(fs.readdirSync(`${base}/outside/d`)).toHaveLength(50);
    }
  });
});
