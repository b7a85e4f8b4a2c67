import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Fields } from "../http/fields.ts";
import { parseJson } from "../http/json-text.ts";
import { booleanField, dictField, listField, requiredField, textField, wholeNumber } from "./form-values.ts";

const form = (...values: unknown[]): Fields => new Map([["f", values]]);
const json = (text: string): Fields => new Map([["f", [parseJson(text)]]]);
const refused = expect.objectContaining({
  code: "INVALID_PARAMETERS",
  message: expect.stringMatching(/^f: /),
});
const list = (fields: Fields) => listField(fields, "f");
const dict = (fields: Fields) => Object.fromEntries(dictField(fields, "f"));

describe("textField", () => {
  test("an empty text, null and nothing are not given", () => {
    for (const fields of [new Map(), form(""), form("", ""), json("null")]) {
      expect(textField(fields, "f")).toBeUndefined();
      expect(() => requiredField(fields, "f")).toThrow(
        expect.objectContaining({ message: "f: is required" }),
      );
    }
  });

  test("the last of several counts, numbers are their text", () => {
    expect(textField(form("a", "b"), "f")).toBe("b");
    expect(textField(form("a", ""), "f")).toBe("a");
    expect(textField(json("30.0"), "f")).toBe("30.0");
    expect(textField(json("true"), "f")).toBe("true");
  });

  test("refuses lists and objects", () => {
    expect(() => textField(json("[1]"), "f")).toThrow(refused);
    expect(() => textField(json("{}"), "f")).toThrow(refused);
  });
});

describe("listField", () => {
  test.each<[string, Fields, string[] | undefined]>([
    ["a JSON list", form('["--debug", "-f", "a b"]'), ["--debug", "-f", "a b"]],
    ["a Python list", form("['--debug', '-f', 'it\\'s']"), ["--debug", "-f", "it's"]],
    ["a tuple", form("(80, 443)"), ["80", "443"]],
    ["numbers", form("[80, 1999, 14]"), ["80", "1999", "14"]],
    ["blanks around", form("  ['a']  "), ["a"]],
    ["an empty item", form('["", "x"]'), ["", "x"]],
    ["a repeated field", form("--debug", "-f", "[x"), ["--debug", "-f", "[x"]],
    ["a field once", form("--debug"), ["--debug"]],
    ["a JSON body's list", json('["a", 1, 2.50]'), ["a", "1", "2.50"]],
    ["a JSON body's text", json(JSON.stringify("['a']")), ["a"]],
    ["a JSON body's number", json("80"), ["80"]],
    ["nothing", new Map(), undefined],
    ["an empty text", form(""), undefined],
    ["null", json("null"), undefined],
    ["an empty list", form("[]"), undefined],
  ])("reads %s", (_name, fields, value) => {
    expect(list(fields)).toEqual(value);
  });

  test.each(["['a'", "[a, b]", "[['a']]", "[None]", '[{"a": 1}]', "['a'] ['b']", "(1"])(
    "refuses %s",
    (text) => {
      expect(() => list(form(text))).toThrow(refused);
    },
  );

  test("refuses a JSON body's object", () => {
    expect(() => list(json('{"a": 1}'))).toThrow(refused);
  });

  test("reads back any list of texts written as JSON, in a form and in a JSON body", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1 }), (texts) => {
        expect(list(form(JSON.stringify(texts)))).toEqual(texts);
        expect(list(json(JSON.stringify(texts)))).toEqual(texts);
      }),
    );
  });
});

describe("dictField", () => {
  test.each<[string, Fields, Record<string, string>]>([
    ["a JSON object", form('{"DURATION": 60, "SIZE": 1024}'), { DURATION: "60", SIZE: "1024" }],
    ["a Python dict", form(`{'KEY1': 1, "K": 'v'}`), { KEY1: "1", K: "v" }],
    [
      "numbers as written",
      form('{"A": 1.10, "B": 1e3, "C": 9223372036854775808, "D": -0}'),
      {
        A: "1.10",
        B: "1e3",
        C: "9223372036854775808",
        D: "-0",
      },
    ],
    ["numbers of Python as written", form("{'A': 1.10, 'B': 0x10}"), { A: "1.10", B: "0x10" }],
    [
      "a JSON body's numbers as written",
      json('{"A": 1.10, "B": 12345678901234567890}'),
      {
        A: "1.10",
        B: "12345678901234567890",
      },
    ],
    ["booleans", form("{'A': True, 'B': False}"), { A: "true", B: "false" }],
    ["texts that look like more", form(`{'A': '[1]', 'B': '{}', 'C': ''}`), { A: "[1]", B: "{}", C: "" }],
    ["nothing", new Map(), {}],
    ["an empty text", form(""), {}],
    ["an empty object", form("{}"), {}],
  ])("reads %s", (_name, fields, value) => {
    expect(dict(fields)).toEqual(value);
  });

  test.each(["[]", "x", "A=1", "{'A': None}", "{'A': [1]}", "{'A': {}}", "{'A'}", "1", "{"])(
    "refuses %s",
    (text) => {
      expect(() => dict(form(text))).toThrow(refused);
    },
  );

  test("`__proto__` is a name like any other", () => {
    expect(dictField(form('{"__proto__": "x"}'), "f")).toEqual([["__proto__", "x"]]);
    expect(dictField(json('{"__proto__": "x"}'), "f")).toEqual([["__proto__", "x"]]);
  });

  test("reads back any dictionary of texts", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: "binary" })), (values) => {
        const expected = Object.entries(values);
        expect(dictField(form(JSON.stringify(values)), "f")).toEqual(expected);
      }),
    );
  });
});

test("booleanField", () => {
  for (const text of ["true", "True", "1", "yes", "on"])
    expect(booleanField(form(text), "f", false)).toBe(true);
  for (const text of ["false", "0", "no", "OFF"]) expect(booleanField(form(text), "f", true)).toBe(false);
  expect(booleanField(new Map(), "f", true)).toBe(true);
  expect(() => booleanField(form("maybe"), "f", true)).toThrow(refused);
});

test("wholeNumber", () => {
  expect(wholeNumber("30", 1, 100)).toBe(30);
  expect(wholeNumber(" +7 ", 1, 100)).toBe(7);
  for (const text of ["0", "101", "1.5", "30.0", "1e1", "0x10", "", " ", "-1", "٣", "9".repeat(30)]) {
    expect(wholeNumber(text, 1, 100)).toBeUndefined();
  }
});
