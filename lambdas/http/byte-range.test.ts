import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteRange } from "./byte-range.ts";

describe("byteRange", () => {
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
    expect(byteRange(header, 10)).toEqual(range);
  });

  it("finds nothing in an empty object", () => {
    expect(byteRange("bytes=0-", 0)).toBe("unsatisfiable");
    expect(byteRange("bytes=-5", 0)).toBe("unsatisfiable");
  });

  it("never leaves the object", () => {
    const number = fc.oneof(fc.constant(""), fc.nat({ max: 30 }).map(String));
    fc.assert(
      fc.property(number, number, fc.nat({ max: 20 }), (first, last, size) => {
        const range = byteRange(`bytes=${first}-${last}`, size);
        if (typeof range !== "object") return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeLessThan(size);
        expect(range.start).toBeLessThanOrEqual(range.end);
      }),
    );
  });
});
