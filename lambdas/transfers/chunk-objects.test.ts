import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Staging } from "../ports/staging.ts";
import { chunkKey, chunksOf, openChunks } from "./chunk-objects.ts";

const KEY = "downlink/ann/_/c/t0.0";

/** What a port answers, from a map; `open` counts the bodies that are not yet read or destroyed. */
function stagingOf(objects: Map<string, Buffer>) {
  const state = { open: 0, lists: 0 };
  const staging = {
    list: async (prefix: string, { after = "", limit = 1000 } = {}) => {
      state.lists++;
      return [...objects.keys()]
        .filter((key) => key.startsWith(prefix) && key > after)
        .sort()
        .slice(0, limit)
        .map((key) => ({ key, size: objects.get(key)!.length, modified: 0 }));
    },
    get: async (key: string, range?: { start: number; end: number }) => {
      const content = objects.get(key)!.subarray(range?.start ?? 0, (range?.end ?? 1e9) + 1);
      const body = Readable.from([content], { objectMode: false });
      state.open++;
      body.once("close", () => state.open--);
      return { body, size: content.length };
    },
  } as unknown as Staging;
  return { staging, state };
}

function chunked(content: Buffer, chunkBytes: number): Map<string, Buffer> {
  const objects = new Map<string, Buffer>();
  for (let i = 0; i * chunkBytes < content.length; i++) {
    const chunk = content.subarray(i * chunkBytes, (i + 1) * chunkBytes);
    const part = { number: i + 1, crc32: crc32(chunk).toString(16).padStart(8, "0") };
    objects.set(chunkKey(KEY, part), chunk);
  }
  return objects;
}

test("any range of any chunks is what it is of the whole", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 60 }),
      fc.nat(250),
      fc.nat(250),
      async (bytes, chunkBytes, start, end) => {
        const content = Buffer.from(bytes);
        const { staging, state } = stagingOf(chunked(content, chunkBytes));
        const of = { key: KEY, size: content.length, chunkBytes };
        expect((await buffer((await openChunks(staging, of)).body)).equals(content)).toBe(true);
        const opening = openChunks(staging, of, { start, end });
        if (start >= content.length || end < start) {
          await expect(opening).rejects.toMatchObject({ code: "RANGE_NOT_SATISFIABLE" });
          return;
        }
        const { body, size } = await opening;
        const part = content.subarray(start, end + 1);
        expect(size).toBe(part.length);
        expect((await buffer(body)).equals(part)).toBe(true);
        expect(state.open).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});

test("more chunks than a listing has are read page by page, from the middle too", async () => {
  const content = randomBytes(7501);
  const { staging, state } = stagingOf(chunked(content, 3));
  const of = { key: KEY, size: content.length, chunkBytes: 3 };
  expect((await buffer((await openChunks(staging, of)).body)).equals(content)).toBe(true);
  expect(state.lists).toBe(3);
  const { body } = await openChunks(staging, of, { start: 4000, end: 4004 });
  expect((await buffer(body)).equals(content.subarray(4000, 4005))).toBe(true);
  expect(state.lists).toBe(4);
  const numbers: number[] = [];
  for await (const { number } of chunksOf(staging, KEY, 999, 1003)) numbers.push(number);
  expect(numbers).toEqual([999, 1000, 1001, 1002, 1003]);
});

test("a chunk that is missing or of another size is told, at once when it is the first", async () => {
  const content = randomBytes(100);
  const of = { key: KEY, size: 100, chunkBytes: 10 };
  const without = (i: number) => {
    const objects = chunked(content, 10);
    objects.delete([...objects.keys()].sort()[i]!);
    return stagingOf(objects).staging;
  };
  const missing = { code: "FILE_NOT_FOUND" };
  await expect(openChunks(without(0), of)).rejects.toMatchObject(missing);
  for (const i of [6, 9]) {
    const { body } = await openChunks(without(i), of);
    await expect(buffer(body)).rejects.toMatchObject(missing);
  }
  await expect(openChunks(stagingOf(new Map()).staging, of)).rejects.toMatchObject(missing);
});

test("who stops reading leaves nothing open", async () => {
  const { staging, state } = stagingOf(chunked(randomBytes(1000), 10));
  const { body } = await openChunks(staging, { key: KEY, size: 1000, chunkBytes: 10 });
  const unread = await openChunks(staging, { key: KEY, size: 1000, chunkBytes: 10 });
  await new Promise((resolve) => body.once("data", resolve));
  body.destroy();
  unread.body.destroy();
  await expect.poll(() => state.open).toBe(0);
});
