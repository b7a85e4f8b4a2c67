import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase64, isBase64 } from "./base64.ts";

test("what is base64 comes back, line ends or not", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(80), (bytes, width) => {
      const text = Buffer.from(bytes).toString("base64");
      const folded = text.replace(new RegExp(`(.{${width + 1}})`, "g"), "$1\r\n");
      for (const one of [text, folded]) {
        expect(isBase64(one)).toBe(true);
        expect(decodeBase64(one).equals(bytes)).toBe(true);
      }
    }),
  );
});

test.each(["a", "ab", "abc", "ab=", "a===", "====", "=abc", "ab==cd==", "ab-_", "ab c", "äbcd", "abc\0"])(
  "%j is none",
  (text) => {
    expect(isBase64(text)).toBe(false);
  },
);

describe("a large one", () => {
  const large = "abcd".repeat(600_000);

  test.each(["", "ab==", "abc=", "aR=="])("may end in %j", (end) => {
    expect(isBase64(large + end)).toBe(true);
  });

  test.each([4, 1024 * 1024, 2_000_000])("may have a wrong character at no place, such as %d", (at) => {
    for (const wrong of ["=", "ab==", "!"]) {
      const text = large.slice(0, at - wrong.length) + wrong + large.slice(at);
      expect(isBase64(text)).toBe(false);
    }
  });
});
