import { expect, test } from "vitest";
import { hasManyValues } from "./has-many-values.ts";

test("values are counted before they are parsed", () => {
  expect(hasManyValues(Buffer.from('{"a":[1,2]}'), 3)).toBe(false);
  expect(hasManyValues(Buffer.from('{"a":[1,2,3]}'), 3)).toBe(true);
  expect(hasManyValues(Buffer.from("[".repeat(1_000_000)), 500_000)).toBe(true);
  expect(hasManyValues(Buffer.from(`{"a":"${"A".repeat(1_000_000)}"}`), 10)).toBe(false);
});
