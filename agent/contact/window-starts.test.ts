import { beforeEach, expect, test } from "vitest";
import { Link } from "../ground/link.ts";
import { WindowStarts } from "./window-starts.ts";

let now: number;
let link: Link;
/** times before which what was under way was begun anew */
let lost: number[];
let opened: number;
/** starts and ends (s) */
let plan: [number, number][];
let starts: WindowStarts;
beforeEach(() => {
  now = 0;
  plan = [[100, 700]];
  lost = [];
  opened = 0;
  link = new Link(() => now);
  for (let n = 0; n < 3; n++) link.answered(2000);
  link.onContact((time) => lost.push(time));
  starts = make();
});
const make = () =>
  new WindowStarts({
    plan: {
      present: () => {
        const open = plan.find(([start, end]) => start * 1000 <= now && now < end * 1000);
        return open && { start: open[0] * 1000, end: open[1] * 1000, station: "S" };
      },
      untilNextMs: () => undefined,
    },
    link,
    opened: () => opened++,
    now: () => now,
  });
/** Looks every 500 ms until then (s). */
const until = (second: number) => {
  for (; now < second * 1000; now += 500) starts.look();
  starts.look();
};

test("when a window opens after a silence, all that was begun before is begun anew at once", () => {
  link.asked();
  until(99.5);
  expect([opened, lost]).toEqual([0, []]);
  until(100);
  expect([opened, lost]).toEqual([1, [100_000]]);
});

test("a window that was planned too early is tried soon again, and then as patiently as ever", () => {
  link.asked();
  until(160);
  expect(lost.slice(0, 5)).toEqual([100_000, 100_000, 104_000, 108_000, 112_000]);
  // what was begun in the last ten seconds is left alone
  expect(lost.at(-1)).toBe(150_000);
  expect(opened).toBe(1);
});

test("what is heard ends it", () => {
  link.asked();
  until(101);
  link.heard();
  const { length } = lost;
  until(400);
  expect(lost.length).toBe(length);
});

test("where contact was not lost, or nothing was asked, nothing is begun anew", () => {
  until(95);
  link.asked();
  until(103);
  link.heard();
  until(400);
  expect([opened, lost]).toEqual([1, []]);
});

test("windows that overlap, or follow one another, open one by one; the one at its start is no news", () => {
  plan = [
    [100, 200],
    [150, 300],
    [300, 400],
  ];
  until(500);
  expect(opened).toBe(3);
  now = 350_000;
  starts = make();
  until(399);
  expect(opened).toBe(3);
});

test("without a plan it looks for nothing", () => {
  plan = [];
  link.asked();
  until(400);
  expect([opened, lost]).toEqual([0, []]);
});
