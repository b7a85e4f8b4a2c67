import fc from "fast-check";
import { expect, test } from "vitest";
import { readRange } from "./range.ts";

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
