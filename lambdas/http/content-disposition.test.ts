import fc from "fast-check";
import { expect, test } from "vitest";
import { attachment } from "./content-disposition.ts";

test.each([
  ["data.txt", 'attachment; filename="data.txt"'],
  ["a b;c.txt", 'attachment; filename="a b;c.txt"'],
  ['a"b\\c', 'attachment; filename="a\\"b\\\\c"'],
  ["100%.txt", 'attachment; filename="100%.txt"'],
  ["a%20b", "attachment; filename=\"a%20b\"; filename*=UTF-8''a%2520b"],
  ["naïve €.txt", "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt"],
  ["😀(1)'*!.txt", "attachment; filename=\"_(1)'*!.txt\"; filename*=UTF-8''%F0%9F%98%80%281%29%27%2A!.txt"],
  [
    "a\r\nSet-Cookie: x",
    "attachment; filename=\"a__Set-Cookie: x\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x",
  ],
])("%j", (name, header) => {
  expect(attachment(name)).toBe(header);
});

test("any name makes a header that Node takes, and from which it can be read back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (name) => {
      const header = attachment(name);
      expect(header).toMatch(/^[\x20-\x7e]*$/);
      const extended = /filename\*=UTF-8''(.*)$/.exec(header)?.[1];
      const plain = /filename="(.*)"$/.exec(header)?.[1]?.replace(/\\(.)/g, "$1");
      expect(extended === undefined ? plain : decodeURIComponent(extended)).toBe(name.toWellFormed());
    }),
  );
});
