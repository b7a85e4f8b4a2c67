import fc from "fast-check";
import { expect, test } from "vitest";
import { readUrlEncoded } from "./url-encoded.ts";

test.each([
  ["", {}],
  ["&&a=1&", { a: ["1"] }],
  ["a=1&b=%C3%BC+x&a=2&c&d=%zz", { a: ["1", "2"], b: ["ü x"], c: [""], d: ["%zz"] }],
  ["envs[A]=1&envs%5BB%5D=2", { "envs[A]": ["1"], "envs[B]": ["2"] }],
  ["a=b=c", { a: ["b=c"] }],
])("%s", (text, fields) => {
  expect(Object.fromEntries(readUrlEncoded(text))).toEqual(fields);
});

test.each([
  ["bytes that are not UTF-8", "a=%FC"],
  ["a name that is not UTF-8", "%FC=1"],
  ["JSON", '{"pod_name":"x"}'],
  ["JSON with an equals sign", '{"command":"a=b"}'],
  ["a multipart form", '--B\r\nContent-Disposition: form-data; name="pod_name"\r\n\r\nx\r\n--B--'],
  ["a form that was encoded twice", "pod_name%3Dx"],
  ["NUL in a name", "pod_name%00=x"],
])("refuses %s", (_what, text) => {
  expect(() => readUrlEncoded(text)).toThrow(expect.objectContaining({ code: "INVALID_PARAMETERS" }));
});

test("reads what browsers write", () => {
  const name = fc.stringMatching(/^[a-z_[\]]{1,12}$/);
  const value = fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (pairs) => {
      const fields = readUrlEncoded(new URLSearchParams(pairs).toString());
      const expected = Map.groupBy(pairs, ([key]) => key);
      expect([...fields]).toEqual([...expected].map(([key, all]) => [key, all.map(([, text]) => text)]));
    }),
  );
});
