import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERRORS } from "#protocol/errors.ts";
import { ERRORS_DOC, errorsDoc } from "./errors-doc.ts";

test("docs/errors.md is what protocol/errors.ts says (npm run docs)", () => {
  expect(readFileSync(ERRORS_DOC, "utf8")).toBe(errorsDoc());
});

test("every code has its line with its status", () => {
  const lines = errorsDoc().split("\n");
  for (const [code, [status]] of Object.entries(ERRORS)) {
    expect(lines.filter((line) => line.startsWith(`| \`${code}\` | ${status} |`))).toHaveLength(1);
  }
});

test("no meaning breaks out of its table cell", () => {
  for (const [, meaning] of Object.values(ERRORS)) expect(meaning).not.toMatch(/[|\n]/);
});
