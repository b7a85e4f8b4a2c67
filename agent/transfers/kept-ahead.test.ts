import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BLOCK, KeptAhead } from "./kept-ahead.ts";

const SIZE = 40 * BLOCK + 77;
const AHEAD = 16 * BLOCK;
const content = randomBytes(SIZE);

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kept-"));
  path = join(directory, "c/0");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = () => KeptAhead.open({ path, size: SIZE, ahead: AHEAD });

async function keep(kept: KeptAhead, start: number, end: number, piece = 1500): Promise<void> {
  const came = kept.keeping(start);
  for (let at = start; at < end; at += piece) await came(content.subarray(at, Math.min(at + piece, end)));
}

/** What a next life reads from `start` on, and what of it had to be fetched. */
async function next(start: number): Promise<{ bytes: Buffer; fetched: [start: number, end: number][] }> {
  const kept = await open();
  const fetched: [number, number][] = [];
  const parts: Buffer[] = [];
  const read = kept.read(start, SIZE, async function* (from, end) {
    fetched.push([from, end]);
    yield content.subarray(from, end);
  });
  for await (const part of read) parts.push(part);
  await kept.close();
  return { bytes: Buffer.concat(parts), fetched };
}

test("whole blocks are there in the next life, also of a range that is cut, and the content's last one", async () => {
  const kept = await open();
  await keep(kept, 30 * BLOCK, 32 * BLOCK + 100);
  await keep(kept, 38 * BLOCK, SIZE);
  await kept.close();
  const { bytes, fetched } = await next(29 * BLOCK + 5);
  expect(bytes.equals(content.subarray(29 * BLOCK + 5))).toBe(true);
  expect(fetched).toEqual([
    [29 * BLOCK + 5, 30 * BLOCK],
    [32 * BLOCK, 38 * BLOCK],
  ]);
  // from the middle of one that is kept
  expect((await next(31 * BLOCK + 9)).fetched).toEqual([[32 * BLOCK, 38 * BLOCK]]);
});

test("the file does not grow with the content: a block takes the place of one that is written", async () => {
  const kept = await open();
  for (let at = 0; at + AHEAD <= SIZE; at += 4 * BLOCK) await keep(kept, at, at + AHEAD);
  await kept.close();
  expect(readFileSync(path).length).toBeLessThan(AHEAD * 1.2);
  const last = 24 * BLOCK;
  expect((await next(last)).fetched).toEqual([[last + AHEAD, SIZE]]);
});

test("whatever a death or a power cut leaves of the file, the bytes are right", async () => {
  const kept = await open();
  await keep(kept, 2 * BLOCK, 10 * BLOCK);
  await kept.close();
  const left = readFileSync(path);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: left.length }),
      fc.integer({ min: 0, max: left.length - 1 }),
      fc.integer({ min: 0, max: 255 }),
      async (length, at, byte) => {
        const torn = Buffer.from(left);
        torn.fill(byte, at, Math.min(at + 600, torn.length));
        writeFileSync(path, torn);
        truncateSync(path, length);
        expect((await next(0)).bytes.equals(content)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

test("where it cannot be written nothing is kept, and it is gone when it is removed", async () => {
  writeFileSync(join(directory, "c"), "in the way");
  const kept = await open();
  await keep(kept, BLOCK, 9 * BLOCK);
  await kept.sync();
  await kept.close();
  expect((await next(0)).fetched).toEqual([[0, SIZE]]);
  rmSync(join(directory, "c"));
  const other = await open();
  await keep(other, BLOCK, 9 * BLOCK);
  await other.sync();
  expect(existsSync(path)).toBe(true);
  await other.remove();
  expect(existsSync(path)).toBe(false);
});

/** Descriptors of this process that are open on the ring. */
const descriptors = () =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  });

test("many that begin together hold one descriptor, and what is closed under them leaves none and no file", async () => {
  const kept = await open();
  const keeping = [0, 4, 8, 12].map((block) => keep(kept, block * BLOCK, (block + 4) * BLOCK, BLOCK));
  await Promise.all(keeping);
  expect(descriptors()).toHaveLength(1);
  const more = [16, 20, 24, 28].map((block) => keep(kept, block * BLOCK, (block + 4) * BLOCK, BLOCK));
  await kept.remove();
  expect(descriptors()).toEqual([]);
  await Promise.all(more);
  expect(descriptors()).toEqual([]);
  expect(existsSync(path)).toBe(false);
});
