import { expect, test } from "vitest";
import type { Command } from "../api/types.ts";
import { place, spansOf, stacked, ticks } from "./timeline.ts";

const MIN = 60_000;

test("what is in sight has its place, cut at the edges", () => {
  const sight = { from: 100, to: 200 };
  expect(place(120, 140, sight)).toEqual({ left: 0.2, width: 0.2 });
  expect(place(0, 150, sight)).toEqual({ left: 0, width: 0.5 });
  expect(place(150, 900, sight)).toEqual({ left: 0.5, width: 0.5 });
  expect(place(0, 99, sight)).toBeUndefined();
  expect(place(201, 300, sight)).toBeUndefined();
});

test.each([10 * MIN, 60 * MIN, 6 * 60 * MIN, 24 * 60 * MIN, 7 * 24 * 60 * MIN])(
  "an axis of %d ms has 5 to 11 full times",
  (length) => {
    const from = Date.parse("2026-11-28T12:03:21Z");
    const all = ticks({ from, to: from + length });
    expect(all.length).toBeGreaterThan(4);
    expect(all.length).toBeLessThan(12);
    expect(all.every((at) => at % MIN === 0 && at >= from && at <= from + length)).toBe(true);
  },
);

test("what overlaps stands in rows of its own", () => {
  const span = (from: number, to: number) => ({ from, to });
  const rows = stacked([span(0, 10), span(5, 8), span(12, 20)], (one) => one, 1);
  expect(rows).toEqual([[span(0, 10), span(12, 20)], [span(5, 8)]]);
});

test("a command waits until it is taken, and works until it ends", () => {
  const command = { created_at: "1970-01-01T00:00:01Z" } as Command;
  expect(spansOf(command, 5000)).toEqual({ waits: { from: 1000, to: 5000 } });
  const taken = { ...command, claimed_at: "1970-01-01T00:00:02Z" };
  expect(spansOf(taken, 5000)).toEqual({ waits: { from: 1000, to: 2000 }, works: { from: 2000, to: 5000 } });
  const done = { ...taken, ended_at: "1970-01-01T00:00:03Z" };
  expect(spansOf(done, 5000).works).toEqual({ from: 2000, to: 3000 });
});
