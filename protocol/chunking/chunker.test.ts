import fc from "fast-check";
import { expect, test } from "vitest";
import { CHUNK, Chunker } from "./chunker.ts";
import { GEAR } from "./gear.ts";

/** The algorithm as it is published, over a whole content, one chunk after the other. */
function published(content: Uint8Array): number[] {
  const ends: number[] = [];
  for (let start = 0; start < content.length; ) {
    const left = Math.min(content.length - start, CHUNK.most);
    let hash = 0n;
    let length = Math.min(CHUNK.least, left);
    while (length < left) {
      hash = ((hash << 1n) + BigInt(GEAR[content[start + length]!]!)) & 0xffff_ffffn;
      const bits = length < CHUNK.normal ? 15n : 11n;
      length++;
      if (hash >> (32n - bits) === 0n) break;
    }
    start += length;
    ends.push(start);
  }
  return ends;
}

/** The ends of the chunks of content that comes in pieces of these sizes, the content's own end included. */
function cutsOf(content: Uint8Array, pieces: number[] = []): number[] {
  const chunker = new Chunker();
  const ends: number[] = [];
  const add = (chunk: Uint8Array) => void ends.push((ends.at(-1) ?? 0) + chunk.length);
  for (let at = 0, i = 0; at < content.length; i++) {
    const piece = content.subarray(at, at + (pieces[i % pieces.length] ?? content.length));
    for (const chunk of chunker.push(piece)) add(chunk);
    at += piece.length;
  }
  for (const chunk of chunker.end()) add(chunk);
  return ends;
}

/** Content that is random, or repeats itself. */
function contentOf(seed: number, size: number, period: number): Buffer {
  const content = Buffer.alloc(size);
  let state = seed | 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content[i] = period > 0 && i >= period ? content[i - period]! : state >>> 24;
  }
  return content;
}
const content = fc
  .tuple(fc.integer(), fc.integer({ min: 0, max: 300_000 }), fc.constantFrom(0, 0, 1, 7, 5000))
  .map((parts) => contentOf(...parts));
const pieces = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });

test("cuts are those of the published algorithm, however the content comes", () => {
  fc.assert(
    fc.property(content, pieces, (bytes, sizes) => {
      expect(cutsOf(bytes, sizes)).toEqual(published(bytes));
    }),
    { numRuns: 30 },
  );
});

test("headers of a tar are chunks of their own, and what is between them is cut as published", () => {
  const file = fc.tuple(fc.integer(), fc.integer({ min: 0, max: 60_000 }));
  fc.assert(
    fc.property(fc.array(file, { maxLength: 8 }), pieces, (files, sizes) => {
      const parts = files.flatMap(([seed, size]) => {
        const header = contentOf(seed, 512, 0);
        header.write("ustar", 257);
        return [header, contentOf(seed, Math.ceil(size / 512) * 512, 0)];
      });
      let start = 0;
      const expected = parts.flatMap((part, i) => {
        const ends = i % 2 === 0 ? [part.length] : published(part);
        start += part.length;
        return ends.map((end) => start - part.length + end);
      });
      expect(cutsOf(Buffer.concat(parts), sizes)).toEqual(expected);
    }),
    { numRuns: 30 },
  );
});

test("chunks join to the content, and hold their sizes", () => {
  fc.assert(
    fc.property(content, pieces, (bytes, sizes) => {
      const ends = cutsOf(bytes, sizes);
      expect(ends.at(-1) ?? 0).toBe(bytes.length);
      const lengths = ends.map((end, i) => end - (ends[i - 1] ?? 0));
      expect(lengths.every((length) => length > 0 && length <= CHUNK.most)).toBe(true);
      expect(lengths.slice(0, -1).every((length) => length >= CHUNK.least)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("random content has chunks about the normal size", () => {
  const size = 8_000_000;
  const mean = size / cutsOf(contentOf(7, size, 0)).length;
  expect(mean).toBeGreaterThan(0.8 * CHUNK.normal);
  expect(mean).toBeLessThan(1.6 * CHUNK.normal);
});

test("a change in one place changes few chunks", () => {
  const size = 2_000_000;
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 0, max: size }),
      fc.integer({ min: 0, max: 100 }),
      fc.uint8Array({ maxLength: 100 }),
      (seed, at, removed, inserted) => {
        const before = contentOf(seed, size, 0);
        const after = Buffer.concat([before.subarray(0, at), inserted, before.subarray(at + removed)]);
        const known = new Set(chunksOf(before));
        expect(chunksOf(after).filter((chunk) => !known.has(chunk)).length).toBeLessThanOrEqual(8);
      },
    ),
    { numRuns: 10 },
  );
});

function chunksOf(bytes: Buffer): string[] {
  const ends = cutsOf(bytes);
  return ends.map((end, i) => bytes.toString("latin1", ends[i - 1] ?? 0, end));
}
