import { expect, test } from "vitest";
import { addressRange } from "./address-range.ts";

test("a range has all its addresses but the first and the last", () => {
  const small = addressRange("192.0.2.9/29");
  expect(Array.from({ length: small.size }, (_, n) => small.at(n))).toEqual(
    [9, 10, 11, 12, 13, 14].map((last) => `192.0.2.${last}`),
  );
  expect(["192.0.2.8", "192.0.2.9", "192.0.2.14", "192.0.2.15"].map(small.has)).toEqual([
    false,
    true,
    true,
    false,
  ]);
  const large = addressRange("127.88.0.0/16");
  expect([large.size, large.at(0), large.at(large.size - 1)]).toEqual([
    65534,
    "127.88.0.1",
    "127.88.255.254",
  ]);
  expect(addressRange("255.255.255.0/24").at(253)).toBe("255.255.255.254");
});
