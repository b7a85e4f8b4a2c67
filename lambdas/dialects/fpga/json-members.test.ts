import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasKeyTwice, membersOf, membersOfValue } from "./json-members.ts";

describe("members of a JSON object", () => {
  it("keep numbers, escapes and the order of keys", () => {
    const text = ' { "b" : 1.10, "1": 9007199254740993 ,"\\u0061":[ 1 , {"x" : " {,} "} ],"__proto__":null} ';
    expect([...(membersOf(text) ?? [])]).toEqual([
      ["b", "1.10"],
      ["1", "9007199254740993"],
      ["a", '[1,{"x":" {,} "}]'],
      ["__proto__", "null"],
    ]);
    expect(membersOf(`{"m":${text}}`)?.get("m")).toBe(
      '{"b":1.10,"1":9007199254740993,"\\u0061":[1,{"x":" {,} "}],"__proto__":null}',
    );
  });

  it("are none of what is no object, and nothing that is no JSON is read", () => {
    for (const text of ["[]", "null", '"{}"', "1"]) expect(membersOf(text)).toBeUndefined();
    for (const text of ["", "{", "{a:1}", '{"a":1,}', "{} {}"])
      expect(() => membersOf(text)).toThrow(SyntaxError);
  });

  it("have what JSON.parse finds, however it is spaced and nested", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.integer({ min: 0, max: 4 }),
        (value, indent) => {
          const text = JSON.stringify(value, null, indent);
          const members = membersOf(text) ?? new Map<string, string>();
          expect(membersOf(`{"m":${text}}`)?.get("m")).toBe(JSON.stringify(value));
          expect(membersOfValue(text)).toEqual(members);
          expect([...members.keys()].sort()).toEqual(Object.keys(JSON.parse(text)).sort());
          for (const [key, of] of members) expect(JSON.parse(of)).toEqual(JSON.parse(text)[key]);
        },
      ),
    );
  });

  it("take a depth that no stack would", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect(membersOf(`{"a":${deep}}`)?.get("a")).toBe(deep);
    expect(hasKeyTwice(`{"a":${deep}}`)).toBe(false);
  });

  it("tell a key that is given twice, at any depth and in any spelling", () => {
    for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"a":[{"b":1,"c":{},"b":2}]}']) {
      expect(hasKeyTwice(text), text).toBe(true);
    }
    for (const text of ['{"a":{"a":1},"b":["a","a"]}', '[{"a":1},{"a":1}]', '{"a":"a"}']) {
      expect(hasKeyTwice(text), text).toBe(false);
    }
  });
});
