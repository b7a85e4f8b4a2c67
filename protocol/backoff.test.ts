import { expect, it } from "vitest";
import { backoffMs, doublingMs } from "./backoff.ts";

it("doubles from the first pause to the longest, however often it failed", () => {
  expect([0, 1, 2, 3, 4, 1000].map((failures) => doublingMs(200, 1500, failures))).toEqual([
    200, 400, 800, 1500, 1500, 1500,
  ]);
});

it("takes a random half to whole of that", () => {
  expect(backoffMs(200, 1500, 1, () => 0)).toBe(200);
  expect(backoffMs(200, 1500, 1, () => 1)).toBe(400);
});
