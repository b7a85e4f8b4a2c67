import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("at most so many at once, others in their order, also after one that failed", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const all = ends.map(({ promise }, n) =>
    turns.take(() => {
      begun.push(n);
      return promise;
    }),
  );
  await new Promise(setImmediate);
  expect(begun).toEqual([0, 1]);
  ends[1]!.reject(new Error("failed"));
  await expect(all[1]).rejects.toThrow("failed");
  await new Promise(setImmediate);
  expect(begun).toEqual([0, 1, 2]);
  for (const { resolve } of ends) resolve();
  await Promise.allSettled(all);
  expect(begun).toEqual([0, 1, 2, 3]);
});
