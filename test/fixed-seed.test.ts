import fc from "fast-check";
import { expect, test } from "vitest";
import { LONG } from "#test/support/long-run.ts";

test("properties take the same values in every run, and new ones in a long one", () => {
  const seeds = [1, 2].map(
    () =>
      fc.check(
        fc.property(fc.nat(), () => true),
        { numRuns: 1 },
      ).seed,
  );
  expect(seeds[0] === seeds[1]).toBe(!LONG);
});
