import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Literal, NumberText } from "../http/json-text.ts";
import { parsePythonLiteral } from "./python-literal.ts";

const n = (text: string) => new NumberText(text);

describe("parsePythonLiteral", () => {
  test.each<[string, Literal]>([
    ["['--debug', '-f']", ["--debug", "-f"]],
    ["[]", []],
    ["()", []],
    ["('a',)", ["a"]],
    ["[ 'a' , \"b\" , ]", ["a", "b"]],
    [
      `{'KEY1': 1, "K": 'v'}`,
      new Map<string, Literal>([
        ["KEY1", n("1")],
        ["K", "v"],
      ]),
    ],
    ["{1: 'one'}", new Map([["1", "one"]])],
    ["{}", new Map()],
    ["[True, False, None]", [true, false, null]],
    ["[true, false, null]", [true, false, null]],
    [
      "[1, -2, 3.50, 1e9, 0x1F, 1_000, .5, 5.]",
      ["1", "-2", "3.50", "1e9", "0x1F", "1_000", ".5", "5."].map(n),
    ],
    ["[['a'], ('b', {'c': ['d']})]", [["a"], ["b", new Map([["c", ["d"]]])]]],
    [`"it's"`, "it's"],
    [`'say "hi"'`, 'say "hi"'],
    [`'it\\'s'`, "it's"],
    [`'a\\nb\\tc\\\\d'`, "a\nb\tc\\d"],
    [`'\\x41\\u00e9\\U0001F600\\101\\0'`, "Aé😀A\0"],
    [`'\\d\\/'`, "\\d\\/"],
    ["u'x'", "x"],
    ["\n[ 'a',\n 'b' ]\n", ["a", "b"]],
    ["{'__proto__': 'x'}", new Map([["__proto__", "x"]])],
  ])("reads %s", (text, value) => {
    expect(parsePythonLiteral(text)).toEqual(value);
  });

  test.each([
    "",
    "[",
    "['a'",
    "['a' 'b']",
    "['a',,]",
    "[,]",
    "{'a'}",
    "{'a': }",
    "{'a' 1}",
    "{['a']: 1}",
    "'a",
    `'a\\`,
    "'a\nb'",
    "'\\xZZ'",
    "'\\u12'",
    "'\\U00110000'",
    "Truex",
    "1a",
    "1.2.3",
    "--1",
    "a",
    "[a]",
    "['a'] x",
    "__import__('os')",
    "[*[]]",
    "nan",
    "0x",
    "1__",
  ])("refuses %j", (text) => {
    expect(() => parsePythonLiteral(text)).toThrow(SyntaxError);
  });

  test("refuses deep nesting instead of running out of stack", () => {
    expect(() => parsePythonLiteral("[".repeat(500_000))).toThrow(SyntaxError);
    expect(() => parsePythonLiteral("{1:".repeat(300_000))).toThrow(SyntaxError);
  });

  test("reads back what repr writes of texts", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (texts) => {
        expect(parsePythonLiteral(`[${texts.map(repr).join(", ")}]`)).toEqual(texts);
      }),
    );
  });

  test("reads any text to an end, or refuses it with a SyntaxError", () => {
    const piece = fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      "(",
      ")",
      ",",
      ":",
      "'",
      '"',
      "\\",
      "1",
      "e",
      ".",
      "True",
      " ",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parsePythonLiteral(pieces.join(""));
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
    );
  });
});

/** As Python writes a text: single quotes unless only they occur in it. */
function repr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = [...text].map((character) => {
    const code = character.codePointAt(0)!;
    if (character === "\\" || character === quote) return `\\${character}`;
    if (character === "\n") return "\\n";
    if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
    if (code > 0xffff) return `\\U${code.toString(16).padStart(8, "0")}`;
    return code > 0xff ? `\\u${code.toString(16).padStart(4, "0")}` : character;
  });
  return quote + inner.join("") + quote;
}
