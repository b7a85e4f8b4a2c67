import { expect, test } from "vitest";
import { mapWithLimit } from "./map-with-limit.ts";

test("gives results in order, and has no more at work than it may", async () => {
  let working = 0;
  let most = 0;
  const results = await mapWithLimit(3, [5, 1, 4, 2, 3, 0], async (turns) => {
    most = Math.max(most, ++working);
    for (let i = 0; i < turns; i++) await null;
    working--;
    return turns * 10;
  });
  expect(results).toEqual([50, 10, 40, 20, 30, 0]);
  expect(most).toBe(3);
  expect(await mapWithLimit(3, [], async () => 1)).toEqual([]);
});

test("throws the first failure when nothing is at work any more, and begins nothing after it", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = mapWithLimit(2, [0, 1, 2, 3], async (i) => {
    begun.push(i);
    if (i === 0) throw new Error("no");
    for (let turn = 0; turn < 10; turn++) await null;
    ended.push(i);
  });
  await expect(work).rejects.toThrow("no");
  expect(begun).toEqual([0, 1]);
  expect(ended).toEqual([1]);
});
