import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KiB } from "#protocol/limits.ts";
import { Directory } from "../../files/directory.ts";
import { HashTable } from "./known-hashes.ts";
import { listSmall } from "./list-small.ts";
import { listVolume } from "./list-volume.ts";

let base: string;
let volume: string;
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "list-small-"));
  volume = path.join(base, "volume");
  fs.mkdirSync(volume);
});
afterEach(() => fs.rmSync(base, { recursive: true, force: true }));

const write = (name: string, content: string | Buffer = "x") =>
  fs.writeFileSync(path.join(volume, name), content);

function small(options: { maxEntries?: number } = {}): string | undefined {
  using directory = Directory.open(volume);
  const listing = listSmall(directory, { known: path.join(base, "known"), settledMs: 0, ...options });
  return listing && Buffer.concat(listing.chunks).toString();
}

describe("listSmall", () => {
  it("lists as the thread does", () => {
    fs.mkdirSync(path.join(volume, "d/e/f"), { recursive: true });
    write("a");
    write("d/e/b", "content");
    fs.symlinkSync("/etc", path.join(volume, "link"));
    using directory = Directory.open(volume);
    const { chunks } = listVolume(directory, {
      known: path.join(base, "other"),
      settledMs: 0,
      check: () => undefined,
    });
    expect(small()).toBe(Buffer.concat(chunks).toString());
    // and with the hashes that it has kept
    expect(small()).toBe(Buffer.concat(chunks).toString());
    expect(small()).toContain('"name":"b","size":"7"');
  });

  it.each<[string, () => void]>([
    ["many entries", () => Array.from({ length: 65 }, (_, i) => write(`f${i}`))],
    ["much to hash", () => write("f", Buffer.alloc(257 * KiB))],
    ["holes", () => fs.truncateSync(path.join(volume, "hole"), 2 ** 40)],
    ["depth", () => fs.mkdirSync(path.join(volume, "a/b/c/d/e"), { recursive: true })],
    [
      "many known hashes",
      () => {
        const table = new HashTable();
        for (let ino = 1; ino < 10_000; ino++) table.set({ ino, size: 1, mtimeMs: 1, ctimeMs: 1 }, 1n);
        fs.writeFileSync(path.join(base, "known"), table.encode());
      },
    ],
  ])("leaves %s to the thread", (_, make) => {
    write("hole", "");
    expect(small()).toBeDefined();
    make();
    expect(small()).toBeUndefined();
  });

  it("leaves to the thread what it would have to cut", () => {
    write("a");
    write("b");
    expect(small({ maxEntries: 2 })).toBeDefined();
    expect(small({ maxEntries: 1 })).toBeUndefined();
  });
});
