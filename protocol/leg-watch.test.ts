import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchLeg } from "./leg-watch.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function watched() {
  const leg = { bytes: 0, pings: 0, deaths: 0 };
  const unwatch = watchLeg({
    bytesRead: () => leg.bytes,
    ping: () => leg.pings++,
    dead: () => leg.deaths++,
  });
  return { leg, unwatch };
}

test("a leg without a byte is pinged every 20 s, and dead after 45 s, once", () => {
  const { leg } = watched();
  vi.advanceTimersByTime(19_999);
  expect(leg.pings).toBe(0);
  vi.advanceTimersByTime(1);
  expect(leg.pings).toBe(1);
  vi.advanceTimersByTime(20_000);
  expect(leg.pings).toBe(2);
  vi.advanceTimersByTime(4_999);
  expect(leg.deaths).toBe(0);
  vi.advanceTimersByTime(1);
  expect(leg.deaths).toBe(1);
  vi.advanceTimersByTime(3600_000);
  expect(leg).toMatchObject({ pings: 2, deaths: 1 });
});

test("one that answers lives, and is left alone when its watch ends", () => {
  const { leg, unwatch } = watched();
  for (let n = 0; n < 100; n++) {
    vi.advanceTimersByTime(40_000);
    leg.bytes++;
  }
  expect([leg.deaths, leg.pings]).toEqual([0, 200]);
  unwatch();
  vi.advanceTimersByTime(3600_000);
  expect([leg.deaths, leg.pings]).toEqual([0, 200]);
});
