import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FILES, ROWS } from "./ignore-file.corpus.ts";
import { IgnoreError, IgnoreFile } from "./ignore-file.ts";

const ignores = (text: string, path: string) => new IgnoreFile(text).ignores(path);

describe("a .dockerignore", () => {
  test.each([
    ["*.log", "a.log", true],
    ["*.log", "dir/a.log", false],
    ["**/*.log", "a.log", true],
    ["**/*.log", "d/e/a.log", true],
    ["*/a", "d/a", true],
    ["*/a", "d/e/a", false],
    ["node_modules", "node_modules/x/y", true],
    ["node_modules", "node_modules2", false],
    ["/dir/", "dir/file", true],
    ["./dir/../other", "other", true],
    ["a?c", "abc", true],
    ["a?c", "a/c", false],
    ["[a-c]x", "bx", true],
    ["[^a-c]x", "bx", false],
    ["dir/**", "dir", false],
    ["dir/**", "dir/a/b", true],
    ["**/x/**/y", "a/x/b/c/y", true],
    ["**/x/**/y", "x/y", true],
    ["**/foo", "barfoo", false],
    ["\\*x", "*x", true],
    ["\\*x", "ax", false],
    ["# comment\n  spaced  \n", "spaced", true],
    ["*\n!keep", "keep", false],
    ["*\n!keep", "other", true],
    ["*\n!keep\nkeep/x", "keep/x", true],
    ["*\n!keep\nkeep/x", "keep/y", false],
    ["**", "anything/at/all", true],
    ["*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true],
    ["*.md\n!README*.md\nREADME-secret.md", "README-x.md", false],
  ])("%j on %s: %s", (text, path, expected) => {
    expect(ignores(text, path)).toBe(expected);
  });

  test.each(ROWS)("%j leaves out what Docker's client leaves out", (content, leftOut) => {
    const outcome = () => {
      const file = new IgnoreFile(Buffer.from(content, "latin1"));
      return FILES.map((path) => (file.ignores(Buffer.from(path, "latin1")) ? "x" : ".")).join("");
    };
    if (leftOut === "error") expect(outcome).toThrow(IgnoreError);
    else expect(outcome()).toBe(leftOut);
  });

  test("says where an exception may lie", () => {
    const file = new IgnoreFile("*\n!docs/api/*.md");
    expect(file.mayHoldExceptions("docs")).toBe(true);
    expect(file.mayHoldExceptions("docs/api")).toBe(true);
    expect(file.mayHoldExceptions("src")).toBe(false);
    expect(new IgnoreFile("*\n!**/x").mayHoldExceptions("src")).toBe(true);
    expect(new IgnoreFile("*").mayHoldExceptions("src")).toBe(false);
  });

  test.each(["[", "[a", "x\\", "[]"])("refuses %j", (pattern) => {
    expect(() => new IgnoreFile(pattern)).toThrow(IgnoreError);
  });

  test("leaves out a path that is written out, and what is beneath it", () => {
    const name = fc.stringMatching(/^[a-z]{1,5}$/);
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(path, path, (a, b) => {
        expect(ignores(a, b)).toBe(b === a || b.startsWith(`${a}/`));
        expect(ignores(`**/${a}`, b)).toBe(`/${b}/`.includes(`/${a}/`));
      }),
    );
  });

  test("ends with a pattern that would hold a regular expression for ever", () => {
    const file = new IgnoreFile("**/".repeat(2000) + "*a".repeat(5000), 10_000_000);
    const run = () => {
      for (let i = 0; i < 1e6; i++) file.ignores("a/".repeat(1000) + "a".repeat(200) + i);
    };
    expect(run).toThrow(/too long/);
  });
});
