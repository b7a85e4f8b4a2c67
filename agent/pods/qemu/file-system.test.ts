import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fileSystemIn, fileSystemOf } from "./file-system.ts";

const directory = mkdtempSync(join(tmpdir(), "perigee-file-system-"));
afterAll(() => rmSync(directory, { recursive: true }));

const disk = (change: (bytes: Buffer) => void) => {
  const bytes = Buffer.alloc(4096);
  change(bytes);
  return bytes;
};
const ext2 = disk((bytes) => bytes.writeUInt16LE(0xef53, 1080));

test("the kind of a disk is told by its content, and nothing but ext2 and FAT is one", () => {
  expect(fileSystemIn(ext2)).toBe("ext2");
  const fat = (at: number) => (bytes: Buffer) => {
    bytes.write("FAT", at, "latin1");
    bytes.writeUInt16LE(0xaa55, 510);
  };
  expect([fileSystemIn(disk(fat(54))), fileSystemIn(disk(fat(82)))]).toEqual(["fat", "fat"]);
  // of an image format that names other files
  expect(fileSystemIn(disk((bytes) => bytes.write("QFI\xfb", 0, "latin1")))).toBeUndefined();
  expect(fileSystemIn(Buffer.alloc(100))).toBeUndefined();
});

test("only a regular file is a disk: pipes, links, directories and what is missing are none, and nothing waits", () => {
  const at = (name: string) => join(directory, name);
  writeFileSync(at("file"), ext2);
  mkdirSync(at("directory"));
  symlinkSync("file", at("link"));
  symlinkSync(directory, at("linked-directory"));
  execFileSync("mkfifo", [at("pipe")]);
  expect(fileSystemOf(directory, "file")).toBe("ext2");
  for (const name of ["pipe", "link", "directory", "missing"]) {
    expect([name, fileSystemOf(directory, name)]).toEqual([name, undefined]);
  }
  expect(fileSystemOf(at("linked-directory"), "file")).toBeUndefined();
});
