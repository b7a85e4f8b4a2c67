import { expect, test } from "vitest";
import { readPriority } from "./priority.ts";

test.each([
  ["0", undefined, 0],
  [" 9 ", undefined, 9],
  [undefined, undefined, 5],
  [undefined, { least: 0, most: 3 }, 3],
  [undefined, { least: 7, most: 9 }, 7],
  ["3", { least: 0, most: 3 }, 3],
])("%j within %j is %i", (header, bounds, priority) => {
  expect(readPriority(header, bounds)).toBe(priority);
});

test.each(["", "-1", "10", "1.0", "05", "five", "5, 6", "٣", "0x1", "1e0"])("%j is refused", (header) => {
  expect(() => readPriority(header)).toThrow("Perigee-Priority: must be a whole number from 0 to 9");
});

test("what is outside of the user's bounds is refused, and the bounds are told", () => {
  expect(() => readPriority("9", { least: 2, most: 4 })).toThrow("must be a whole number from 2 to 4");
});
