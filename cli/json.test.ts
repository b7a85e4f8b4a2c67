import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseExact, stringifyExact } from "./json.ts";

describe("json", () => {
  test("whole numbers of 64 bits go through exactly; everything else as ever", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.jsonValue(), (hash, other) => {
        const text = `{"hash":${hash},"other":${JSON.stringify(other)}}`;
        const parsed = parseExact(text) as { hash: number | bigint };
        expect(BigInt(parsed.hash)).toBe(hash);
        expect(stringifyExact(parsed)).toContain(`"hash":${hash}`);
        expect(JSON.parse(stringifyExact(parsed)).other).toEqual(JSON.parse(text).other);
      }),
    );
  });

  test("digits inside strings stay text", () => {
    expect(parseExact('{"a":"12345678901234567890"}')).toEqual({ a: "12345678901234567890" });
  });
});
