import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { tarOf } from "#test/support/saved-archive.ts";
import { TarError } from "../../files/tar-parser.ts";
import { ArchiveFile } from "./archive-stream.ts";

const signal = new AbortController().signal;
const LARGE = Buffer.alloc(24 * MiB + 7, "large");
const FILES = [
  { name: "before.json", content: "before" },
  { name: "one.tar", content: LARGE },
  { name: "between.json", content: "between" },
  { name: "two.tar", content: LARGE },
  { name: `${"deep/".repeat(40)}after.json`, content: "after" },
];
const tar = await tarOf(FILES);

/** Reads an archive for its small files alone. */
async function small(bytes: Buffer, maxBytes = 100 * MiB) {
  let taken = 0;
  function* pieces(start: number, end: number) {
    for (let at = start; at < end; at += 64 * 1024) {
      const piece = bytes.subarray(at, Math.min(end, at + 64 * 1024));
      taken += piece.length;
      yield piece;
    }
  }
  const source = {
    size: bytes.length,
    read: (start: number, length: number) =>
      Readable.from(pieces(start, start + length), { objectMode: false }),
  };
  const archive = new ArchiveFile(source, { maxBytes, maxEntries: 100 });
  const found: [name: string, content: string][] = [];
  const starts: number[] = [];
  let wanted = false;
  for await (const event of archive.read(signal, () => !wanted)) {
    if ("data" in event) found.at(-1)![1] += event.data;
    else {
      found.push([event.entry.name, ""]);
      starts.push(event.start);
      wanted = event.entry.name.endsWith(".json");
    }
  }
  return { found, starts, taken };
}

const expected = FILES.map(({ name, content }) => [name, name.endsWith(".json") ? content : ""]);

test("what nobody wants of an archive is not read, and where it lies is known", async () => {
  const { found, starts, taken } = await small(tar);
  expect(found).toEqual(expected);
  expect(taken).toBeLessThan(4 * MiB);
  for (const [i, { content }] of FILES.entries()) {
    const there = tar.subarray(starts[i], starts[i]! + content.length);
    expect(there.equals(Buffer.from(content))).toBe(true);
  }
});

test("one that is compressed is read through, with the same in it", async () => {
  expect((await small(gzipSync(tar))).found).toEqual(expected);
});

test("what is left out counts, and must be there", async () => {
  await expect(small(tar, 30 * MiB)).rejects.toThrow("more than is allowed");
  for (const cut of [10 * MiB, 30 * MiB]) {
    await expect(small(tar.subarray(0, cut))).rejects.toThrow(TarError);
  }
});
