import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { xxh64 } from "@node-rs/xxhash";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Directory } from "../../files/directory.ts";
import { HashTable } from "./known-hashes.ts";
import { type ListOptions, listTree } from "./list-tree.ts";

let base: string;
let root: Directory;
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "list-"));
  root = Directory.open(base);
});
afterEach(() => {
  root.close();
  fs.rmSync(base, { recursive: true, force: true });
});

const signed = (content: string) => BigInt.asIntN(64, xxh64(content));

function list(options: Partial<ListOptions> = {}) {
  // everything counts as settled unless a test says otherwise
  const listed = listTree(root, { known: new HashTable(), settledMs: -1e12, check: () => {}, ...options });
  return { ...listed, text: listed.pieces.join("") };
}

describe("listTree", () => {
  it("takes a known hash for what has not changed, without reading", () => {
    fs.writeFileSync(`${base}/a`, "content");
    const { table } = list();
    // a wrong hash shows where the value comes from
    table.set(fs.statSync(`${base}/a`), 42n);
    const again = list({ known: table });
    expect(again.text).toContain('"hash":42}');
    expect(again.changed).toBe(false);
  });

  it.each<[string, () => void, string]>([
    ["its content", () => fs.writeFileSync(`${base}/a`, "CONTENT"), "CONTENT"],
    [
      "its content, with the old times put back",
      () => {
        const { atime, mtime } = fs.statSync(`${base}/a`);
        fs.writeFileSync(`${base}/a`, "CONTENT");
        fs.utimesSync(`${base}/a`, atime, mtime);
      },
      "CONTENT",
    ],
    [
      "the file behind its name",
      () => {
        fs.writeFileSync(`${base}/b`, "CONTENT");
        fs.renameSync(`${base}/b`, `${base}/a`);
      },
      "CONTENT",
    ],
    ["its length", () => fs.appendFileSync(`${base}/a`, "+"), "content+"],
  ])("reads again a file that changed %s", (_, change, content) => {
    fs.writeFileSync(`${base}/a`, "content");
    const { table } = list();
    change();
    const again = list({ known: table });
    expect(again.text).toContain(`"hash":${signed(content)}}`);
    expect(again.changed).toBe(true);
  });

  it("forgets files that are gone", () => {
    fs.writeFileSync(`${base}/a`, "1");
    fs.writeFileSync(`${base}/b`, "2");
    const { table } = list();
    expect(table.count).toBe(2);
    fs.rmSync(`${base}/a`);
    const again = list({ known: table });
    expect(again.changed).toBe(true);
    expect(again.table.count).toBe(1);
  });

  it("does not trust what was written a moment ago", () => {
    fs.writeFileSync(`${base}/a`, "1");
    expect(list({ settledMs: 60_000 }).table.count).toBe(0);
    // times of files have fractions of a ms: this clock may still show the whole before
    while (Date.now() < fs.statSync(`${base}/a`).ctimeMs);
    expect(list({ settledMs: 0 }).table.count).toBe(1);
  });

  it("stops at its bounds and still writes JSON", () => {
    for (let i = 0; i < 10; i++) fs.mkdirSync(`${base}/d${i}/e/f`, { recursive: true });
    for (const options of [{ maxEntries: 7 }, { maxDepth: 2 }, { maxText: 300 }]) {
      const { text, truncated } = list(options);
      expect(truncated).toBe(true);
      expect(() => JSON.parse(text)).not.toThrow();
    }
    expect(JSON.parse(list({ maxEntries: 7 }).text)).toHaveLength(3);
    expect(list({ maxEntries: 30, maxDepth: 4 }).truncated).toBe(false);
  });

  it("hashes no more when its time is over", () => {
    fs.writeFileSync(`${base}/a`, "1");
    expect(list({ hashMs: -1 }).text).toContain('"hash":null}');
  });

  it("hands out its budget for holes once", () => {
    for (const name of ["a", "b", "c"]) {
      fs.writeFileSync(`${base}/${name}`, "");
      fs.truncateSync(`${base}/${name}`, 20 * 1024 * 1024);
    }
    const hashes = (JSON.parse(list({ sparseBytes: 45 * 1024 * 1024 }).text) as { hash: unknown }[]).map(
      ({ hash }) => hash === null,
    );
    expect(hashes).toEqual([false, false, true]);
  });
});
