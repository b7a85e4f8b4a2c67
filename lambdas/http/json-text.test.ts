import fc from "fast-check";
import { expect, test } from "vitest";
import { AmbiguousJson, type Literal, NumberText, parseJson, readJson } from "./json-text.ts";

function plain(value: Literal): unknown {
  if (value instanceof NumberText) return Number(value.text);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

test("reads any JSON as JSON.parse does", () => {
  const json = fc
    .jsonValue()
    .filter((value) => JSON.stringify(value).isWellFormed() && !/\\ud[89a-f]/.test(JSON.stringify(value)));
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      expect(plain(parseJson(text))).toEqual(JSON.parse(text));
    }),
  );
});

test.each([
  '{"a": "b\\"c", "b\\"c": "a"}',
  '{"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 2}]}',
  '{"a": "{\\"a\\":1,\\"a\\":2}"}',
  '{"a": ["a", "a"], "\\u0062": "a:"}',
  '{"__proto__": 1, "constructor": 2, "toString": 3}',
  '"\\ud83d\\ude00"',
  '{"": 1, " ": 2}',
])("takes %s", (text) => {
  expect(() => parseJson(text)).not.toThrow();
});

test.each([
  '{"a": 1, "a": 1}',
  '{"a": 1, "b": 2, "a": 3}',
  '{"pod_name": "a", "pod\\u005fname": "b"}',
  '{"b": [{"a": {"c": 1, "c" : 2}}]}',
  '{"__proto__": 1, "__proto__": 2}',
  '{"a": "\\ud800"}',
  '{"\\udc00x": 1}',
  '["\\ud800\\ud800"]',
  `${"[".repeat(65)}${"]".repeat(65)}`,
])("refuses %s", (text) => {
  expect(() => parseJson(text)).toThrow(AmbiguousJson);
});

test.each([
  "",
  "{",
  '{"a": 1} x',
  '{"a": 1}{"a": 1}',
  "{'a': 1}",
  '{"a": "\n"}',
  "[1,]",
  "NaN",
  "\ufeff{}",
  '"\\x"',
])("%j is no JSON", (text) => {
  expect(() => parseJson(text)).toThrow(SyntaxError);
});

test.each([
  '"'.repeat(100_001),
  "\\".repeat(100_000),
  '"\\'.repeat(500_000),
  '{"a":'.repeat(200_000),
  `["${'" "'.repeat(300_000)}`,
])("text that careless expressions hang at is refused: %#", (text) => {
  expect(() => parseJson(text)).toThrow(SyntaxError);
});

test("a long text with many strings is read", () => {
  const text = JSON.stringify(
    Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, '" \\ :'])),
  );
  expect((parseJson(text) as ReadonlyMap<string, Literal>).size).toBe(50_000);
  expect(readJson(text)).toEqual(JSON.parse(text));
});
