import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { combineCrc32, crc32OfParts } from "./combine-crc32.ts";

test("is the CRC32 of both one after the other, whatever their lengths", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.uint8Array({ maxLength: 70_000 }), (a, b) => {
      expect(combineCrc32(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])));
    }),
    { numRuns: 50 },
  );
});

test("of parts in another order it is another", () => {
  const part = (text: string) => ({
    size: text.length,
    crc32: crc32(text).toString(16).padStart(8, "0"),
  });
  const whole = crc32("onetwothree").toString(16).padStart(8, "0");
  expect(crc32OfParts([part("one"), part("two"), part("three")])).toBe(whole);
  expect(crc32OfParts([part("two"), part("one"), part("three")])).not.toBe(whole);
  expect(crc32OfParts([])).toBe("00000000");
});
