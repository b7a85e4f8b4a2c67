import { expect, test } from "vitest";
import { KeyedTurns, Turns } from "./turns.ts";

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

test("who gives up leaves the queue, and takes nobody's turn", async () => {
  const turns = new KeyedTurns();
  const first = Promise.withResolvers<void>();
  const begun: string[] = [];
  const work = (name: string, until?: Promise<void>) => () => {
    begun.push(name);
    return until;
  };
  const [late, early] = [new AbortController(), new AbortController()];
  early.abort(new Error("gone"));
  const all = [
    turns.take("r", work("first", first.promise), early.signal),
    turns.take("r", work("second"), late.signal),
    turns.take("r", work("third")),
    turns.take("r", work("fourth"), early.signal),
    turns.take("other", work("other")),
  ];
  late.abort(new Error("late"));
  await expect(all[1]).rejects.toThrow("late");
  await expect(all[3]).rejects.toThrow("gone");
  await all[4];
  expect(begun).toEqual(["first", "other"]);
  first.resolve();
  await Promise.all([all[0], all[2]]);
  expect(begun).toEqual(["first", "other", "third"]);
});
