import { expect, test } from "vitest";
import { readIdempotency } from "./idempotency-key.ts";

test("no key is no idempotency", () => {
  expect(readIdempotency(undefined, "r", {})).toBeUndefined();
});

test("the digest tells requests apart, not the order of their fields", () => {
  const digest = (request: unknown) => readIdempotency("k", "r", request)?.digest;
  expect(digest({ edge: "a", input: { x: 1, y: [{ p: 1, q: 2 }] } })).toBe(
    digest({ input: { y: [{ q: 2, p: 1 }], x: 1, z: undefined }, edge: "a" }),
  );
  expect(digest({ edge: "a" })).not.toBe(digest({ edge: "b" }));
  expect(digest({ x: ["a", "b"] })).not.toBe(digest({ x: ["b", "a"] }));
  expect(digest({ x: "1" })).not.toBe(digest({ x: 1 }));
});

test.each(["", "a".repeat(256), "a\nb", "ä", "\x7f"])("refuses the key %j", (key) => {
  expect(() => readIdempotency(key, "r", {})).toThrow(
    expect.objectContaining({ code: "INVALID_PARAMETERS" }),
  );
});

test("takes any printable key of up to 255 characters", () => {
  expect(readIdempotency("~".repeat(255), "r", {})).toMatchObject({ key: "~".repeat(255), route: "r" });
});
