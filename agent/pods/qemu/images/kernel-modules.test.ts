import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findProgram } from "../../../../scripts/debian-packages.ts";
import { isBuiltIn, readModule } from "./kernel-modules.ts";

/** "small", as xz packs it */
const XZ = "/Td6WFoAAAFpIt42AgAhARYAAAB0L+WjAQAEc21hbGwAAAAAE+pFdQABGQW86OzLkEKZDQEAAAAAAVla";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "perigee-modules-"));
  const modules = join(root, "lib/modules/6.1.0");
  mkdirSync(join(modules, "kernel/fs"), { recursive: true });
  writeFileSync(join(modules, "modules.builtin"), "kernel/net/core/failover.ko\nkernel/fs/ext4.ko\n");
  writeFileSync(join(modules, "kernel/fs/plain.ko"), "plain");
  writeFileSync(join(modules, "kernel/fs/gzipped.ko.gz"), gzipSync("gzipped"));
  writeFileSync(join(modules, "kernel/fs/packed.ko.zst"), zstdCompressSync("packed"));
  writeFileSync(join(modules, "kernel/fs/small.ko.xz"), Buffer.from(XZ, "base64"));
  writeFileSync(join(modules, "kernel/fs/broken.ko.xz"), "no archive");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("modules are read as they are kept, and those of the kernel itself are known", async () => {
  for (const name of ["plain", "gzipped", "packed"]) {
    expect(`${await readModule(root, `fs/${name}`)}`).toBe(name);
  }
  // not every machine has xz
  const small = await readModule(root, "fs/small").catch((error: Error) => error.message);
  expect(`${small}`).toMatch(findProgram("xz") ? /^small$/ : /unpacking them needs xz$/);
  expect([isBuiltIn(root, "fs/ext4"), isBuiltIn(root, "fs/plain")]).toEqual([true, false]);
});

test("a module that cannot be unpacked is told of, and one that the kernel has not is named", async () => {
  await expect(readModule(root, "fs/broken")).rejects.toThrow("unpacking them needs xz");
  await expect(readModule(root, "fs/none")).rejects.toThrow("the kernel has no module fs/none");
});
