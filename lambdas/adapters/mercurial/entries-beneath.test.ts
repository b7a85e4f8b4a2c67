import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { entriesBeneath } from "./entries-beneath.ts";
import { watchBytes } from "./watch-bytes.ts";

let root: string;
const never = new AbortController().signal;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "perigee-entries-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function all(signal = never): Promise<string[]> {
  const found: string[] = [];
  for await (const { at } of entriesBeneath(root, signal)) {
    found.push(at.subarray(root.length + 1).toString("latin1"));
  }
  return found.sort();
}

test("links are neither listed nor followed, wherever they lead", async () => {
  await mkdir(join(root, "d", "e"), { recursive: true });
  await writeFile(join(root, "d", "e", "file"), "x");
  await writeFile(Buffer.concat([Buffer.from(`${root}/d/`), Buffer.from([0xff])]), "x");
  for (const [name, target] of Object.entries({ a: ".", b: ".", x: "/", f: "d/e/file" })) {
    await symlink(target, join(root, name));
  }
  expect(await all()).toEqual(["d", "d/e", "d/e/file", "d/\xff"]);
});

test("a walk ends with its signal", async () => {
  await writeFile(join(root, "file"), "x");
  await expect(all(AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
});

test("a watch ends when there is too much, and when its signal ends it", async () => {
  await symlink("/", join(root, "x"));
  const ended = new AbortController();
  const large = watchBytes(root, 64 * 1024, never);
  const small = watchBytes(root, 1024 * 1024, ended.signal);
  await writeFile(join(root, "file"), Buffer.alloc(128 * 1024, 1));
  expect(await large).toBe(true);
  ended.abort();
  expect(await small).toBe(false);
});
