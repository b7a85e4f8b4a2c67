import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { processMark } from "#lambdas/ports/process-mark.ts";
import { MiB } from "#protocol/limits.ts";
import { stagingConformance } from "#test/conformance/staging.ts";
import { stagingCopyConformance } from "#test/conformance/staging-copy.ts";
import { servedDirectoryStaging } from "#test/support/served-directory-staging.ts";
import { DirectoryStaging, type DirectoryStagingOptions } from "./staging.ts";

const SECRET = randomBytes(32);

stagingConformance("directory", servedDirectoryStaging);
stagingCopyConformance("directory", servedDirectoryStaging);

describe("DirectoryStaging", () => {
  let root: string;
  const open = (options: Partial<DirectoryStagingOptions> = {}) =>
    DirectoryStaging.open(root, { secret: SECRET, freeFloorBytes: 0, ...options });
  const files = async () => {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "staging-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it("keeps objects over a restart", async () => {
    await (await open()).put("uplink/a/b/c/1", Buffer.from("kept"), { maxBytes: 10 });
    const { body } = await (await open()).get("uplink/a/b/c/1");
    expect(String(await buffer(body))).toBe("kept");
  });

  it("leaves no file and no level behind a failed put or a delete", async () => {
    const staging = await open();
    const body = new PassThrough();
    const put = staging.put("uplink/a/b/c/1", body, { maxBytes: 100 * MiB });
    body.write(randomBytes(4 * MiB), () => body.destroy());
    await expect(put).rejects.toThrow();
    await staging.put("uplink/a/b/c/2", Buffer.from("x"), { maxBytes: 10 });
    await staging.deletePrefix("uplink/a/b/c/");
    expect(await files()).toEqual([]);
    expect(await readdir(path.join(root, "objects"))).toEqual([]);
  });

  it("sweeps what a dead process left, and not what a living one writes", async () => {
    const other = spawnSync(process.execPath, ["-e", ""]);
    const dead = path.join(root, "tmp", `${other.pid}-1-00000000`);
    const living = path.join(root, "tmp", processMark(process.ppid)!);
    for (const directory of [dead, living]) {
      await mkdir(path.join(directory, "level"), { recursive: true });
      await writeFile(path.join(directory, "level", "half"), "half");
    }
    const writing = await open();
    const body = new PassThrough();
    const put = writing.put("k", body, { maxBytes: 10 });
    body.write("a");
    await open();
    expect(await readdir(path.join(root, "tmp"))).not.toContain(path.basename(dead));
    expect(await readdir(path.join(living, "level"))).toEqual(["half"]);
    body.end("b");
    expect((await put).size).toBe(2);
  });

  it("stops at the free-space floor, before and while it writes", async () => {
    const full = await open({ freeFloorBytes: Number.MAX_SAFE_INTEGER });
    await expect(full.put("k", Buffer.from("x"), { maxBytes: 10 })).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    await expect(full.put("k", Buffer.alloc(0), { maxBytes: 10 })).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    expect(await files()).toEqual([]);
  });

  it("ignores what it did not make", async () => {
    const staging = await open();
    await staging.put("a/b", Buffer.from("x"), { maxBytes: 10 });
    const objects = path.join(root, "objects");
    await symlink("/etc", path.join(objects, "a", "link"));
    await symlink("/etc/passwd", path.join(objects, "a", "link~"));
    await writeFile(path.join(objects, "a", "%zz~"), "");
    await writeFile(path.join(objects, "a", ".hidden"), "");
    expect((await staging.list("")).map(({ key }) => key)).toEqual(["a/b"]);
    expect(await staging.listNames("a/")).toEqual(["b"]);
  });

  it("wants a real secret", async () => {
    await expect(open({ secret: "short" })).rejects.toThrow(TypeError);
  });

  it.skipIf(process.getuid?.() !== 0)("says STORAGE_FULL on a file system that is full", async () => {
    const small = path.join(root, "small");
    await mkdir(small);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", small], { stdio: "ignore" });
    } catch {
      return; // not allowed to mount here
    }
    try {
      const full = await DirectoryStaging.open(small, {
        secret: SECRET,
        // below what is free by far, so that the disk itself refuses
        freeFloorBytes: Number.MIN_SAFE_INTEGER,
      });
      const body = Readable.from([randomBytes(3 * MiB), randomBytes(3 * MiB)], { objectMode: false });
      await expect(full.put("k", body, { maxBytes: 100 * MiB })).rejects.toMatchObject({
        code: "STORAGE_FULL",
      });
      expect((await full.put("k", randomBytes(3 * MiB), { maxBytes: 100 * MiB })).size).toBe(3 * MiB);

      const floored = await DirectoryStaging.open(small, { secret: SECRET, freeFloorBytes: 512 * 1024 });
      await full.deletePrefix("k");
      const long = Readable.from(
        (function* () {
          for (let i = 0; i < 64; i++) yield randomBytes(64 * 1024);
        })(),
        { objectMode: false },
      );
      await expect(floored.put("k", long, { maxBytes: 100 * MiB })).rejects.toMatchObject({
        code: "STORAGE_FULL",
      });
      expect(await floored.list("")).toEqual([]);
      expect((await floored.put("k", randomBytes(1 * MiB), { maxBytes: 100 * MiB })).size).toBe(1 * MiB);
    } finally {
      execFileSync("umount", [small]);
    }
  });
});
