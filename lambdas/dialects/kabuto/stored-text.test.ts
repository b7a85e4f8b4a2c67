import { expect, test } from "vitest";
import { storedText, textOf } from "./stored-text.ts";

const BYTES = 64 * 1024;

test.each([
  ["a plain text", "FROM busybox\n"],
  ["control characters", "\u0001".repeat(BYTES)],
  ["quotes and backslashes", '"\\'.repeat(BYTES / 2)],
  ["replaced bytes", "\ufffd".repeat(BYTES)],
])("%s comes back, and takes at most 4/3 of its bytes in a record", (_, text) => {
  const stored = storedText(text);
  expect(textOf(stored)).toBe(text);
  expect(Buffer.byteLength(JSON.stringify(stored))).toBeLessThan((Buffer.byteLength(text) * 4) / 3 + 64);
});

test("what an earlier version stored is read as it is", () => {
  expect(textOf("FROM busybox")).toBe("FROM busybox");
});
