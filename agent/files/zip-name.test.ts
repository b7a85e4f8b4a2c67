import fc from "fast-check";
import { expect, test } from "vitest";
import { zipName } from "./zip-name.ts";

const raw = (text: string | Uint8Array) => Buffer.from(text as string).toString("latin1");

test.each([
  ["dir/file.txt", "dir/file.txt"],
  ["naïve/日本.txt", "naïve/日本.txt"],
  ["100% sure", "100% sure"],
  ["a%41", "a%2541"],
  ["a\\b", "a%5Cb"],
  ["..\\..\\x", "..%5C..%5Cx"],
  ["C:/x", "C%3A/x"],
])("%s becomes %s", (path, name) => {
  expect(zipName(raw(path))).toBe(name);
});

test("bytes that are no text are escaped, the text around them is not", () => {
  const bytes = Buffer.concat([Buffer.from("é"), Buffer.from([0xe9, 0xff]), Buffer.from("\\%41")]);
  expect(zipName(raw(bytes))).toBe("é%E9%FF%5C%2541");
});

test("two names never become the same, and can be told from the name in the zip", () => {
  const part = fc.uint8Array({ minLength: 1, maxLength: 12 });
  const odd = fc.stringMatching(/^[%\\:0-9A-Fa-f]{1,8}$/).map((text) => new Uint8Array(Buffer.from(text)));
  fc.assert(
    fc.property(fc.oneof(part, odd), (bytes) => {
      if (bytes.includes(0x2f)) return;
      const name = zipName(raw(bytes));
      const back: Buffer[] = [];
      for (const [piece, hex] of name.matchAll(/%([0-9A-F]{2})|[^%]+|%/g)) {
        back.push(hex ? Buffer.from(hex, "hex") : Buffer.from(piece));
      }
      expect(Buffer.concat(back).equals(Buffer.from(bytes))).toBe(true);
    }),
  );
});
