import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rebuild } from "#agent/volumes/uplink/rebuild.ts";
import { readChunkList } from "#protocol/chunking/chunk-list.ts";
import { MiB } from "#protocol/limits.ts";
import { chunksOf } from "#test/support/chunks-of.ts";
import { makeDelta } from "./make-delta.ts";

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), "delta-"));
});
afterAll(() => rmSync(place, { recursive: true }));

const listOf = (content: Buffer) => readChunkList(chunksOf(content), content.length);

/** The bytes of the delta from `before` to `after`, packed with `before` or not; fails when it does not make `after`. */
async function deltaBytes(before: Buffer, after: Buffer, packed = false): Promise<number> {
  const at = (name: string) => join(place, name);
  writeFileSync(at("before"), before);
  writeFileSync(at("after"), after);
  rmSync(at("delta"), { force: true });
  const { signal } = new AbortController();
  const file = { source: at("after"), path: "f", size: after.length, follow: true };
  const oldFile = packed ? { ...file, source: at("before"), size: before.length } : undefined;
  const {
    size,
    sha256,
    checksum: xxh64,
    bytes,
  } = (await makeDelta(file, listOf(before), at("delta"), {
    signal,
    most: Number.POSITIVE_INFINITY,
    old: oldFile,
  }))!;
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
  expect(statSync(at("delta")).size).toBe(bytes);
  return bytes;
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
      fc.boolean(),
      async (size, edits, packed) => {
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
        await deltaBytes(before, after, packed);
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

/** A tar as a build leaves it: `files` of some sizes, and times of `built`. */
function layer(files: Buffer[], built: number): Buffer {
  const entries = files.flatMap((content, i) => {
    const header = Buffer.alloc(512);
    header.write(`./packages/some/file-${i}.js`);
    header.write((built + i).toString(8), 136);
    header.write("ustar", 257);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...entries, Buffer.alloc(1024)]);
}

describe("a layer that was built again", () => {
  const files = Array.from({ length: 200 }, (_, i) => randomBytes((i * 7919) % 9000));
  const before = layer(files, 1_700_000_000);
  const changed = [...files.slice(0, 90), randomBytes(3000), ...files.slice(91)];
  const after = layer(changed, 1_800_000_000);

  test("sends its headers and what has changed", async () => {
    expect(await deltaBytes(before, after)).toBeLessThan(200 * 600 + 40_000);
  });

  test("and less with the old one at hand, also when much has moved", async () => {
    expect(await deltaBytes(before, after, true)).toBeLessThan(20_000);
    const moved = layer(
      [...Array.from({ length: 50 }, () => randomBytes(20_000)), ...changed],
      1_800_000_000,
    );
    expect(await deltaBytes(before, moved, true)).toBeLessThan(1_000_000 + 40_000);
  });
});

test("changes in many places are packed with no more of the old content than an edge reads", async () => {
  const before = randomBytes(8 * MiB);
  const after = Buffer.from(before);
  for (let at = 0; at < after.length; at += 400_000) after.writeInt32LE(7, at);
  expect(await deltaBytes(before, after, true)).toBeLessThan(10_000);
});

test("an old content that begins like a dictionary of zstd's, and is none", async () => {
  const before = Buffer.concat([Buffer.from("37a430ec", "hex"), randomBytes(20_000)]);
  await deltaBytes(before, Buffer.concat([randomBytes(10), before]), true);
});
