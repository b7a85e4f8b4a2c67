import { beforeEach, expect, test } from "vitest";
import { KiB } from "#protocol/limits.ts";
import { RateMeter } from "./rate-meter.ts";

let now: number;
let brought: [bytes: number, ms: number][];
let meter: RateMeter;
beforeEach(() => {
  now = 0;
  brought = [];
  meter = new RateMeter({ brought: (bytes, ms) => brought.push([bytes, ms]) }, () => now);
});

function comes(times: number, bytes: number, everyMs: number) {
  for (let i = 0; i < times; i++) {
    now += everyMs;
    meter.came(bytes);
  }
}

test("what comes is measured from the first bytes on, piece by piece", () => {
  comes(17, 32 * KiB, 1000);
  expect(brought).toEqual([
    [256 * KiB, 8000],
    [256 * KiB, 8000],
  ]);
});

test("what is too little tells nothing", () => {
  comes(8, 32 * KiB, 1000);
  expect(brought).toEqual([]);
});

test("a pause is in no measure, nor what came before it", () => {
  comes(5, 32 * KiB, 1000);
  now += 3600_000;
  comes(9, 32 * KiB, 500);
  expect(brought).toEqual([[256 * KiB, 4000]]);
});
