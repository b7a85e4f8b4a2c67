import { mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { linkOrCopy } from "./link-or-copy.ts";

let here: string;
let other: string;
const taken: number[] = [];
beforeEach(async () => {
  here = await mkdtemp(path.join(tmpdir(), "link-"));
  // a file system of its own on every Linux
  other = await mkdtemp("/dev/shm/link-");
  taken.length = 0;
});
afterEach(() => Promise.all([here, other].map((at) => rm(at, { recursive: true, force: true }))));

const take = async (bytes: number) => void taken.push(bytes);

test("a file gets a second name, which costs no bytes", async () => {
  const source = path.join(here, "a");
  await writeFile(source, "hello");
  await linkOrCopy(source, path.join(here, "b"), take);
  expect((await stat(path.join(here, "b"))).ino).toBe((await stat(source)).ino);
  expect(taken).toEqual([]);
});

test("where there can be no second name it is copied, if there is room", async () => {
  const source = path.join(other, "a");
  await writeFile(source, "hello");
  await linkOrCopy(source, path.join(here, "b"), take);
  expect(await readFile(path.join(here, "b"), "utf8")).toBe("hello");
  expect(taken).toEqual([5]);
  const full = async () => {
    throw new Error("full");
  };
  await expect(linkOrCopy(source, path.join(here, "c"), full)).rejects.toThrow("full");
  await expect(stat(path.join(here, "c"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("a file that is replaced all the time is never taken for one that is missing", async () => {
  const source = path.join(here, "a");
  await writeFile(source, "0");
  let isDone = false;
  const writers = ["1", "2"].map(async (name) => {
    while (!isDone) {
      await writeFile(path.join(here, name), name);
      await rename(path.join(here, name), source);
    }
  });
  try {
    for (let n = 0; n < 200; n++) {
      const target = path.join(here, `t${n}`);
      await linkOrCopy(source, target, take);
      expect(["0", "1", "2"]).toContain(await readFile(target, "utf8"));
    }
  } finally {
    isDone = true;
    await Promise.all(writers);
  }
  expect(taken).toEqual([]);
});

test("what is missing is told", async () => {
  const [missing, there] = [path.join(here, "missing"), path.join(here, "there")];
  await writeFile(there, "x");
  const none = { code: "ENOENT" };
  await expect(linkOrCopy(missing, path.join(here, "b"), take)).rejects.toMatchObject(none);
  await expect(linkOrCopy(there, path.join(here, "no", "b"), take)).rejects.toMatchObject(none);
});
