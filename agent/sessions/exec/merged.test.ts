import { expect, test } from "vitest";
import { Merged } from "./merged.ts";

async function* counting(upTo: number, read: (n: number) => void = () => undefined) {
  for (let n = 0; n < upTo; n++) {
    read(n);
    yield n;
  }
}

test("gives all of every source in its order, and each end once", async () => {
  const merged = new Merged<string, number>();
  merged.add("a", counting(100));
  merged.add("b", counting(50));
  const got: Record<string, number[]> = { a: [], b: [] };
  while (merged.open > 0) {
    const given = await merged.take();
    if (given !== "late" && given.value !== undefined) got[given.from]!.push(given.value);
  }
  expect([got.a!.length, got.b!.length, got.a![99], got.b![49]]).toEqual([100, 50, 99, 49]);
});

test("reads no further ahead than one piece of each", async () => {
  const merged = new Merged<string, number>();
  let read = 0;
  merged.add(
    "a",
    counting(100, () => read++),
  );
  await merged.take();
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  expect(read).toBeLessThanOrEqual(2);
  merged.close();
  expect(await merged.take()).toBe("late");
});

test("one source alone may be waited for, the others stay", async () => {
  const merged = new Merged<string, number>();
  const { promise, resolve } = Promise.withResolvers<void>();
  merged.add("a", counting(3));
  merged.add(
    "b",
    (async function* () {
      await promise;
      yield 7;
    })(),
  );
  const waited = merged.take({ from: "b" });
  resolve();
  expect(await waited).toEqual({ from: "b", value: 7 });
  expect(await merged.take({ from: "a" })).toEqual({ from: "a", value: 0 });
});

test("an error is a source's end", async () => {
  const merged = new Merged<string, number>();
  const broken = { next: () => Promise.reject(new Error("broken")) };
  merged.add("a", { [Symbol.asyncIterator]: () => broken });
  expect(await merged.take()).toMatchObject({ value: undefined, error: { message: "broken" } });
  expect(merged.open).toBe(0);
});
