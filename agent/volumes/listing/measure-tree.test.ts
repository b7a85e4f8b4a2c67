import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Directory } from "../../files/directory.ts";
import { removeTree } from "../../files/remove-tree.ts";
import { ENTRY_BYTES, measureTree } from "./measure-tree.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "perigee-measure-"));
});
afterEach(async () => {
  {
    using holder = Directory.open(root);
    for (const name of holder.names()) await removeTree(holder, name);
  }
  rmSync(root, { recursive: true });
});

function measure() {
  using directory = Directory.open(root);
  return measureTree(directory, () => {});
}

test("an entry counts as a block even when it holds nothing, so that inodes run out as bytes do", () => {
  for (let i = 0; i < 100; i++) writeFileSync(join(root, `empty-${i}`), "");
  expect(measure()).toMatchObject({ size: 0, entries: 100, truncated: false });
  expect(measure().allocated).toBe(100 * ENTRY_BYTES);
});

test("a tree too deep to be walked says so", () => {
  using holder = Directory.open(root);
  let at = holder.makeDirectory("d");
  for (let depth = 1; depth < 900; depth++) {
    const next = at.makeDirectory("d");
    at.close();
    at = next;
  }
  at.close();
  expect(measure().truncated).toBe(true);
});

test("files count by what they take, once however many names they have", () => {
  mkdirSync(join(root, "d"));
  writeFileSync(join(root, "d", "file"), Buffer.alloc(100_000, 1));
  const { size, allocated } = measure();
  expect(size).toBe(100_000);
  expect(allocated).toBeGreaterThanOrEqual(100_000 + ENTRY_BYTES);
});
