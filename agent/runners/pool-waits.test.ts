import { expect, test } from "vitest";
import { PoolWaits } from "./pool-waits.ts";

test("a pool whose idle runners end again and again is filled more and more slowly, until it is another", () => {
  let now = 0;
  const waits = new PoolWaits(() => now);
  const waited: number[] = [];
  for (let n = 0; n < 9; n++) {
    waits.died("p");
    const until = waits.next();
    waited.push(until === Number.POSITIVE_INFINITY ? 0 : until - now);
    now = Math.max(now, until === Number.POSITIVE_INFINITY ? now : until) + 1;
    waits.forget("p");
  }
  expect(waited).toEqual([0, 1, 2, 4, 8, 16, 32, 60, 60].map((s) => s * 1000));
  expect([...waits.reasons().keys()]).toEqual([]);
  waits.died("p");
  expect([...waits.reasons().keys()]).toEqual(["p"]);
  waits.keep(new Set(["q"]));
  waits.died("p");
  expect(waits.blocked().size).toBe(0);
});

test("what a start waits for is the reason meanwhile, and keeps the pool from nothing", () => {
  const waits = new PoolWaits(() => 1);
  expect([waits.waits("p", "no node has room"), waits.waits("p", "no node has room")]).toEqual([true, false]);
  expect([...waits.reasons()]).toEqual([["p", "no node has room"]]);
  expect(waits.blocked().size).toBe(0);
  expect(waits.next()).toBe(Number.POSITIVE_INFINITY);
  waits.forget("p");
  expect(waits.reasons().size).toBe(0);
});

test("a pool whose starts fail is tried after 1 s, then later and later, once a minute in the end", () => {
  let now = 0;
  const waits = new PoolWaits(() => now);
  const waited: number[] = [];
  for (let n = 0; n < 8; n++) {
    waits.failed("p", "the image lacks tar");
    waited.push(waits.next() - now);
    expect([...waits.blocked()]).toEqual(["p"]);
    now = waits.next() - 1;
    expect(waits.blocked().size).toBe(1);
    now += 1;
    expect(waits.blocked().size).toBe(0);
    // why, also while it is tried again
    expect([...waits.reasons()]).toEqual([["p", "the image lacks tar"]]);
  }
  expect(waited).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((s) => s * 1000));
  // what was built or loaded may be what it lacked
  waits.failed("p", "the image lacks tar");
  waits.retry();
  expect(waits.blocked().size).toBe(0);
  // one that was started begins anew
  waits.forget("p");
  waits.failed("p", "no room");
  expect(waits.next() - now).toBe(1000);
});
