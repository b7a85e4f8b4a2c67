import { expect, test } from "vitest";
import { LogReaders } from "./log-readers.ts";

test("who has asked for nothing more for five seconds counts no more, until it asks again", () => {
  let now = 0;
  const readers = new LogReaders(() => now);
  const one = readers.begin("a/");
  expect([readers.has("a/"), readers.has("b/")]).toEqual([true, false]);
  now = 5_000;
  expect(readers.has("a/")).toBe(false);
  const other = readers.begin("a/");
  expect(readers.has("a/")).toBe(true);
  other.end();
  expect(readers.has("a/")).toBe(false);
  one.looks();
  expect(readers.has("a/")).toBe(true);
  one.end();
  expect(readers.has("a/")).toBe(false);
});
