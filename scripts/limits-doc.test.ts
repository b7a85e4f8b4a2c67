import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPERATIONS_DOC, withBounds } from "./limits-doc.ts";

const page = readFileSync(OPERATIONS_DOC, "utf8");

test("the bounds in docs/operations.md are those of protocol/limits.ts (npm run docs)", () => {
  expect(withBounds(page)).toBe(page);
});

test("a bound that was edited by hand is put right, and nothing around it moves", () => {
  const edited = page.replace(/(`uplinkFiles` \| )[\d,]+/, "$17");
  expect(edited).not.toBe(page);
  expect(withBounds(edited)).toBe(page);
});

test("a page without the marks is refused", () => {
  expect(() => withBounds("# Operations\n")).toThrow("marks");
});
