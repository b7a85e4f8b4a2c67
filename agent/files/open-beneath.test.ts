import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Directory, isErrno } from "./directory.ts";
import { isMissing, openBeneath } from "./open-beneath.ts";

let base: string;
let root: Directory;
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "open-"));
  fs.mkdirSync(`${base}/root/dir/sub`, { recursive: true });
  fs.writeFileSync(`${base}/secret`, "secret");
  fs.writeFileSync(`${base}/root/dir/sub/file`, "content");
  fs.symlinkSync("dir", `${base}/root/link`);
  fs.symlinkSync("../secret", `${base}/root/out`);
  fs.symlinkSync("nowhere", `${base}/root/dangling`);
  root = Directory.open(`${base}/root`);
});
afterEach(() => {
  root.close();
  fs.rmSync(base, { recursive: true, force: true });
});

/** What `path` leads to: a file's content, or a word. */
function look(name: string): string {
  try {
    const opened = openBeneath(root, name);
    if (opened.kind === "file") {
      const content = fs.readFileSync(opened.fd, "utf8");
      fs.closeSync(opened.fd);
      return content;
    }
    if (opened.kind === "directory") opened.directory.close();
    return opened.kind;
  } catch (error) {
    if (isMissing(error)) return "missing";
    return (error as { code: string }).code;
  }
}

describe("openBeneath", () => {
  it.each([
    ["", "directory"],
    ["dir", "directory"],
    ["dir/sub/file", "content"],
    ["dir/none", "missing"],
    ["none/file", "missing"],
    ["dir/sub/file/below", "missing"],
    ["link", "ILLEGAL_PATH"],
    ["link/sub/file", "ILLEGAL_PATH"],
    ["out", "ILLEGAL_PATH"],
    ["dangling", "ILLEGAL_PATH"],
    ["dangling/x", "ILLEGAL_PATH"],
    ["n".repeat(256), "missing"],
  ])("leads %j to %s", (name, expected) => {
    expect(look(name)).toBe(expected);
  });

  it("looks at FIFOs, sockets and devices without opening them", () => {
    execFileSync("mkfifo", [`${base}/root/fifo`]);
    execFileSync("mknod", [`${base}/root/null`, "c", "1", "3"]);
    expect(look("fifo")).toBe("other");
    expect(look("null")).toBe("other");
    expect(look("fifo/x")).toBe("missing");
  });

  it("refuses names that are none, before the system sees them", () => {
    expect(() => root.at("..")).toThrow(TypeError);
    expect(() => root.at("a/b")).toThrow(TypeError);
    expect(() => root.at(Buffer.from("a/b"))).toThrow(TypeError);
    expect(() => root.at("a\0b")).toThrow(TypeError);
  });

  it("leaks no descriptor, wherever it leads", () => {
    const count = () => fs.readdirSync("/proc/self/fd").length;
    const before = count();
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("dir", "sub", "file", "link", "out", "none"), { maxLength: 4 }),
        (parts) => {
          const result = look(parts.join("/"));
          // nothing outside is ever read
          expect(result).not.toBe("secret");
        },
      ),
    );
    expect(count()).toBe(before);
  });

  it("finds nothing outside while another process swaps a directory for a link", async () => {
    fs.mkdirSync(`${base}/outside/sub`, { recursive: true });
    fs.writeFileSync(`${base}/outside/sub/file`, "secret");
    const { spawn } = await import("node:child_process");
    const swapper = spawn(
      process.execPath,
      [
        "-e",
        `const fs = require("fs"); const r = process.argv[1];
         for (let i = 0; i < 8000; i++) {
           fs.renameSync(r + "/root/dir", r + "/root/kept"); fs.symlinkSync(r + "/outside", r + "/root/dir");
           fs.unlinkSync(r + "/root/dir"); fs.renameSync(r + "/root/kept", r + "/root/dir"); }`,
        base,
      ],
      { stdio: "ignore" },
    );
    let running = true;
    const ended = new Promise<number>((resolve) => swapper.once("exit", (code) => resolve(code ?? 1)));
    void ended.then(() => {
      running = false;
    });
    const seen = new Set<string>();
    while (running) {
      for (let i = 0; i < 200; i++) seen.add(look("dir/sub/file"));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe(0);
    expect([...seen].filter((one) => !["content", "missing", "ILLEGAL_PATH"].includes(one))).toEqual([]);
  });
});

describe("isErrno", () => {
  it("knows system errors by their code", () => {
    expect(isErrno(Object.assign(new Error(), { code: "ENOENT" }), "EEXIST", "ENOENT")).toBe(true);
    expect(isErrno(new Error("ENOENT"), "ENOENT")).toBe(false);
  });
});
