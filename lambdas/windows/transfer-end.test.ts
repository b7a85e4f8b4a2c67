import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContactWindow } from "#protocol/contact-window.ts";
import { transferEnd } from "./transfer-end.ts";

const window = (start: number, end: number, uplinkBps?: number): ContactWindow => ({
  start: start * 1000,
  end: end * 1000,
  station: "Svalbard",
  ...(uplinkBps !== undefined && { uplinkBps }),
});
const up = (bytes: number) => ({ bytes, direction: "uplink" as const });
const plan = [window(200, 300, 8000), window(100, 110, 8000)];

test("a transfer ends in the window that its last byte fits into", () => {
  expect(transferEnd(plan, 0, up(10_000))).toEqual({ at: 110_000, window: plan[1] });
  expect(transferEnd(plan, 0, up(10_001))).toEqual({ at: 200_001, window: plan[0] });
  expect(transferEnd(plan, 105_000, up(10_000))).toEqual({ at: 205_000, window: plan[0] });
  expect(transferEnd(plan, 250_000, up(50_000))).toEqual({ at: 300_000, window: plan[0] });
});

test("where nothing is known, nothing is told", () => {
  expect(transferEnd(plan, 0, up(110_001))).toBeUndefined();
  expect(transferEnd([], 0, up(1))).toBeUndefined();
  expect(transferEnd(plan, 0, { bytes: 1, direction: "downlink" })).toBeUndefined();
  expect(transferEnd([window(1, 2, 8000), window(3, 4)], 0, up(2000))).toBeUndefined();
});

test("the measured rate is that of the open window, and of those without a planned one", () => {
  const measured = (bytes: number, bps: number) => ({ ...up(bytes), measuredBps: bps });
  expect(transferEnd(plan, 105_000, measured(10_000, 16_000))).toEqual({ at: 110_000, window: plan[1] });
  expect(transferEnd(plan, 105_000, measured(10_000, 800))).toEqual({ at: 209_500, window: plan[0] });
  const open = window(3, 14);
  expect(transferEnd([open], 0, measured(10_000, 8000))).toEqual({ at: 13_000, window: open });
});

test("windows that overlap are not counted twice, and what fits by then is what was to go", () => {
  const windows = fc.array(
    fc
      .record({ start: fc.nat(100), length: fc.integer({ min: 1, max: 50 }) })
      .map(({ start, length }) => window(start, start + length, 8000)),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(windows, fc.nat(120), fc.integer({ min: 1, max: 100 }), (plan, now, kilobytes) => {
      const end = transferEnd(plan, now * 1000, up(kilobytes * 1000));
      const open = (second: number) =>
        plan.some(({ start, end }) => start <= second * 1000 && second * 1000 < end);
      const seconds = Array.from({ length: 200 }, (_, n) => n).filter((n) => n >= now && open(n));
      // a kilobyte a second
      const last = seconds[kilobytes - 1];
      expect(end?.at).toBe(last === undefined ? undefined : (last + 1) * 1000);
      if (end) expect(end.at > end.window.start && end.at <= end.window.end).toBe(true);
    }),
  );
});
