import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rebuild } from "#agent/volumes/uplink/rebuild.ts";
import { readChunkList } from "#protocol/chunking/chunk-list.ts";
import { chunksOf } from "#test/support/chunks-of.ts";
import { makeDelta } from "./make-delta.ts";

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), "delta-"));
});
afterAll(() => rmSync(place, { recursive: true }));

const listOf = (content: Buffer) => readChunkList(chunksOf(content), content.length);

/** The bytes of the delta from `before` to `after`; fails when it does not make `after`. */
async function deltaBytes(before: Buffer, after: Buffer): Promise<number> {
  const at = (name: string) => join(place, name);
  writeFileSync(at("before"), before);
  writeFileSync(at("after"), after);
  rmSync(at("delta"), { force: true });
  const { signal } = new AbortController();
  const file = { source: at("after"), path: "f", size: after.length, follow: true };
  const {
    size,
    sha256,
    checksum: xxh64,
  } = (await makeDelta(file, listOf(before), at("delta"), { signal, most: Number.POSITIVE_INFINITY }))!;
  const [delta, old, into] = [
    openSync(at("delta"), "r"),
    openSync(at("before"), "r"),
    openSync(at("made"), "w"),
  ];
  try {
    await rebuild({ delta, old, into, target: { size, sha256, xxh64 }, signal, written: () => undefined });
  } finally {
    for (const fd of [delta, old, into]) closeSync(fd);
  }
  expect(readFileSync(at("made")).equals(after)).toBe(true);
  return statSync(at("delta")).size;
}

test("what a delta makes is the file, whatever has changed", async () => {
  const edit = fc.record({
    at: fc.integer({ min: 0, max: 400_000 }),
    removed: fc.integer({ min: 0, max: 100_000 }),
    inserted: fc.uint8Array({ maxLength: 2000 }),
    moved: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 400_000 }),
      fc.array(edit, { maxLength: 4 }),
      async (size, edits) => {
        const before = randomBytes(size);
        let after = before;
        for (const { at, removed, inserted, moved } of edits) {
          const cut = after.subarray(at, at + removed);
          after = Buffer.concat([
            after.subarray(0, at),
            inserted,
            after.subarray(at + removed),
            ...(moved ? [cut, cut] : []),
          ]);
        }
        await deltaBytes(before, after);
      },
    ),
    { numRuns: 20 },
  );
});

test("a file that did not change costs a few bytes, one with a change a few chunks", async () => {
  const before = randomBytes(6_000_000);
  expect(await deltaBytes(before, before)).toBeLessThan(300);
  const after = Buffer.from(before);
  randomBytes(1000).copy(after, 3_000_000);
  expect(await deltaBytes(before, after)).toBeLessThan(200_000);
  expect(await deltaBytes(Buffer.alloc(6_000_000), Buffer.alloc(5_000_000))).toBeLessThan(100_000);
});
