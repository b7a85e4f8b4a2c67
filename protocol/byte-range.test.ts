import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { readRange, resolveRange } from "./byte-range.ts";

test.each([
  ["bytes=0-99", { start: 0, end: 99 }],
  ["bytes=5-", { start: 5 }],
  ["bytes=-5", { suffix: 5 }],
  ["bytes=-0", { suffix: 0 }],
  ["Bytes = 1 - 2", { start: 1, end: 2 }],
  ["bytes=7-7", { start: 7, end: 7 }],
  ["bytes=99999999999999999999-", { start: Number.MAX_SAFE_INTEGER }],
])("%s", (header, expected) => {
  expect(readRange(header)).toEqual(expected);
});

test.each([
  undefined,
  "",
  "bytes",
  "bytes=",
  "bytes=-",
  "bytes=2-1",
  "bytes=0-1,3-4",
  "bytes=a-b",
  "items=0-1",
  "bytes=0-1;x",
  "bytes=1.5-2",
])("%j means the whole file", (header) => {
  expect(readRange(header)).toBeUndefined();
});

test("gives back any range", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (start, length) => {
      expect(readRange(`bytes=${start}-${start + length}`)).toEqual({ start, end: start + length });
    }),
  );
});

describe("of so many bytes", () => {
  it.each([
    [undefined, undefined],
    ["", undefined],
    ["bytes=-", undefined],
    ["bytes=a-b", undefined],
    ["bytes=5-4", undefined],
    ["bytes=0-1,3-4", undefined],
    ["items=0-1", undefined],
    ["bytes=0-0", { start: 0, end: 0 }],
    ["BYTES=3-", { start: 3, end: 9 }],
    ["bytes=3-99", { start: 3, end: 9 }],
    ["bytes=-1", { start: 9, end: 9 }],
    ["bytes=-99", { start: 0, end: 9 }],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=99999999999999999999999-", "unsatisfiable"],
  ])("%s of 10 bytes", (header, range) => {
    expect(resolveRange(readRange(header), 10)).toEqual(range);
  });

  it("finds nothing in an empty object", () => {
    expect(resolveRange({ start: 0 }, 0)).toBe("unsatisfiable");
    expect(resolveRange({ suffix: 0 }, 0)).toBe("unsatisfiable");
    // the whole of it is its tail, which no Content-Range can say
    expect(resolveRange({ suffix: 5 }, 0)).toBeUndefined();
  });

  it("never leaves the object", () => {
    const number = fc.oneof(fc.constant(""), fc.nat({ max: 30 }).map(String));
    fc.assert(
      fc.property(number, number, fc.nat({ max: 20 }), (first, last, size) => {
        const range = resolveRange(readRange(`bytes=${first}-${last}`), size);
        if (typeof range !== "object") return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeLessThan(size);
        expect(range.start).toBeLessThanOrEqual(range.end);
      }),
    );
  });
});
