import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstJsonValue } from "./first-json-value.ts";

const read = (text: string) => firstJsonValue(Buffer.from(text));

describe("firstJsonValue", () => {
  it("takes one value and nothing after it", () => {
    fc.assert(
      fc.property(
        fc.object(),
        fc.constantFrom("", " ", "{", "]", '"', "\n{}", ",1", "\0"),
        (object, rest) => {
          const json = JSON.stringify(object);
          expect(read(`${json}${rest}`)).toEqual(JSON.parse(json));
        },
      ),
    );
  });

  it.each([
    ['{"a":"}\\"{"}x', { a: '}"{' }],
    ['[1,"]"]]', [1, "]"]],
    ['"\\\\"x', "\\"],
    [" \t\r\n7 8", 7],
    ["\ufeff{}", {}],
    ['{"__proto__":1}{', JSON.parse('{"__proto__":1}')],
  ])("reads %j", (text, value) => {
    expect(read(text)).toEqual(value);
  });

  it.each(["", " ", "\r\n"])("an empty body (%j) is EOF", (text) => {
    expect(() => read(text)).toThrow(/^EOF$/);
  });

  it.each(["{", '{"a":', '"a', "[1", '{"a":"\\"}', "nul", "}", "'a'", "{a:1}", "\0"])(
    "refuses %j",
    (text) => {
      expect(() => read(text)).toThrow();
    },
  );

  it("replaces what is not UTF-8", () => {
    expect(firstJsonValue(Buffer.from([0x22, 0xff, 0x22]))).toBe("\ufffd");
  });
});
