import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { commandOf } from "./command-words.ts";

const shell = (command: string) => ({ command: ["/bin/sh", "-c", command] });

test("a text is split as a shell splits it, and nothing is expanded", () => {
  for (const [text, args] of [
    ["echo hello world", ["echo", "hello", "world"]],
    ["sh -c \"echo 'a b'; ls\"", ["sh", "-c", "echo 'a b'; ls"]],
    ["echo $HOME *", ["echo", "$HOME", "*"]],
    ["print(1)", ["print(1)"]],
    ["echo '' \"\"", ["echo", "", ""]],
    ["a\\ b c\\\nd", ["a b", "cd"]],
    ["echo '>' x", ["echo", ">", "x"]],
    ["echo \\> x", ["echo", ">", "x"]],
    ["echo a>b", ["echo", "a>b"]],
    ["echo a#b a&b", ["echo", "a#b", "a&b"]],
  ] as const) {
    expect(commandOf(text), text).toEqual({ args });
  }
});

test("an unquoted operator or redirection makes it a shell's", () => {
  for (const text of [
    "cat /inbox/a > /outbox/b",
    "a | b",
    "a && b",
    "a || b",
    "a; b",
    "a ;",
    "a 2>&1",
    "a & b",
    "a <b",
  ]) {
    expect(commandOf(text), text).toEqual(shell(text));
  }
});

test("an unclosed quote is refused", () => {
  for (const text of ["echo 'a", 'echo "a', 'echo "a\\"']) {
    expect(() => commandOf(text)).toThrow("[command]: No closing quotation");
  }
});

test("without operators the words are those of a real shell", () => {
  // what a shell would expand, or read as an operator or a comment, is left out
  const character = fc.constantFrom("a", "b", " ", "\t", "\\", "'", '"', "é", "=", "%", ".");
  fc.assert(
    fc.property(fc.string({ unit: character, minLength: 1, maxLength: 20 }), (text) => {
      let words: unknown;
      try {
        words = commandOf(`x ${text}`);
      } catch {
        return;
      }
      // a backslash at the very end: shells differ
      fc.pre(!/(?:^|[^\\])(?:\\\\)*\\$/.test(text));
      const script = `printf '%s\\0' x ${text}`;
      const said = execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" });
      expect(words).toEqual({ args: said.split("\0").slice(0, -1) });
    }),
    { numRuns: 60 },
  );
});
