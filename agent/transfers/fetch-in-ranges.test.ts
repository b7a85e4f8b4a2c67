import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fetchInRanges, type RangesOptions } from "./fetch-in-ranges.ts";

const turn = (times: number) =>
  Array.from({ length: times }).reduce<Promise<void>>(
    (before) => before.then(() => undefined),
    Promise.resolve(),
  );

function source(content: Buffer, turns: (at: number) => number, piece = 7) {
  let open = 0;
  let most = 0;
  async function* read(start: number, end: number) {
    most = Math.max(most, ++open);
    try {
      for (let at = start; at < end; at += piece) {
        await turn(turns(at));
        yield content.subarray(at, Math.min(at + piece, end));
      }
    } finally {
      open--;
    }
  }
  return { read, most: () => most };
}

function sink() {
  const parts: Buffer[] = [];
  let writing = false;
  const write = async (chunks: readonly Buffer[]) => {
    expect(writing).toBe(false);
    writing = true;
    await turn(3);
    parts.push(...chunks);
    writing = false;
  };
  return { write, bytes: () => Buffer.concat(parts) };
}

const base = { signal: new AbortController().signal };
const fetchAll = (of: Omit<RangesOptions, "signal">) => fetchInRanges({ ...base, ...of });

test("the bytes come in order, whatever order the ranges come in", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 0, max: 399 }),
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 40 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 20 })),
      async (size, from, rangeBytes, atOnce, more, align, delays) => {
        const start = Math.min(from, size - 1);
        const content = randomBytes(size);
        const { read, most } = source(content, () => delays.next().value);
        const { write, bytes } = sink();
        await fetchAll({ start, size, rangeBytes, atOnce, ahead: atOnce + more, align, read, write });
        expect(bytes().equals(content.subarray(start))).toBe(true);
        expect(most()).toBeLessThanOrEqual(atOnce);
      },
    ),
  );
});

test("of ranges behind one that does not come, no more than were begun are in memory", async () => {
  const content = randomBytes(1000);
  const gate = Promise.withResolvers<void>();
  const begun: number[] = [];
  async function* read(start: number, end: number) {
    begun.push(start);
    if (start === 0) await gate.promise;
    yield content.subarray(start, end);
  }
  const { write, bytes } = sink();
  const fetching = fetchAll({ start: 0, size: 1000, rangeBytes: 100, atOnce: 3, read, write });
  await turn(200);
  expect(begun).toEqual([0, 100, 200]);
  expect(bytes().length).toBe(0);
  gate.resolve();
  await fetching;
  expect(bytes().equals(content)).toBe(true);
});

test("the last ranges of large content are smaller, and those of small content are not", async () => {
  const lengths = async (size: number) => {
    const content = randomBytes(size);
    const asked: number[] = [];
    async function* read(start: number, end: number) {
      asked.push(end - start);
      yield content.subarray(start, end);
    }
    const { write, bytes } = sink();
    await fetchAll({ start: 0, size, rangeBytes: 40, atOnce: 2, read, write });
    expect(bytes().equals(content)).toBe(true);
    return asked;
  };
  expect(await lengths(100)).toEqual([40, 40, 20]);
  const large = await lengths(1000);
  expect(large.slice(0, 21)).toEqual(Array(21).fill(40));
  expect(large.slice(21)).toEqual([40, 30, 23, 17, 13, 10, 10, 10, 7]);
});

test("content that is shorter or longer than was said is refused", async () => {
  const content = randomBytes(100);
  for (const more of [-5, 5]) {
    async function* read(start: number, end: number) {
      yield content.subarray(start, Math.min(end, 100 + more));
      if (more > 0 && end === 95) yield Buffer.alloc(more);
    }
    const of = { start: 0, size: more > 0 ? 95 : 100, rangeBytes: 30, atOnce: 2, read, write: sink().write };
    await expect(fetchAll(of)).rejects.toBeInstanceOf(RangeError);
  }
});

test("what a write or a read throws ends it, and nothing is written afterwards", async () => {
  const content = randomBytes(500);
  const full = new Error("full");
  let writes = 0;
  const write = async () => {
    writes++;
    await turn(5);
    throw full;
  };
  const { read } = source(content, () => 1);
  await expect(fetchAll({ start: 0, size: 500, rangeBytes: 50, atOnce: 4, read, write })).rejects.toBe(full);
  await turn(300);
  expect(writes).toBe(1);
});
