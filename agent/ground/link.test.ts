import { beforeEach, describe, expect, test } from "vitest";
import { KiB, MiB } from "#protocol/limits.ts";
import { Backoff } from "../backoff.ts";
import { Link } from "./link.ts";

let now: number;
let link: Link;
beforeEach(() => {
  now = 1_000_000;
  link = new Link(() => now);
});
const answers = (...durations: number[]) => {
  for (const ms of durations) link.answered(ms);
};

describe("how content is moved", () => {
  test("near and quick, or not known yet: as the ground wants it", () => {
    expect([link.thin, link.chunkBytes]).toEqual([false, undefined]);
    answers(2, 900, 900);
    expect([link.thin, link.chunkBytes]).toEqual([false, undefined]);
    link.sent(64 * MiB, 1000);
    expect([link.thin, link.chunkBytes]).toEqual([false, undefined]);
  });

  test("one slow answer does not make a link far", () => {
    answers(900, 900);
    expect(link.thin).toBe(false);
    answers(900);
    expect(link.thin).toBe(true);
    answers(3);
    expect(link.thin).toBe(false);
  });

  test.each([
    [1 * KiB, 64 * KiB],
    [32 * KiB, 64 * KiB],
    [320 * KiB, 64 * KiB],
    [1200 * KiB, 256 * KiB],
    [10 * MiB, 2 * MiB],
    [100 * MiB, 8 * MiB],
  ])("far, with %i bytes a second: chunks of %i", (rate, chunk) => {
    answers(2000, 2000, 2000);
    expect(link.chunkBytes).toBe(64 * KiB);
    link.sent(rate * 100, 100_000);
    expect(link.chunkBytes).toBe(chunk);
  });

  test("what is compressed makes chunks larger, and the link no quicker", () => {
    answers(2000, 2000, 2000);
    expect(link.contentBps).toBeUndefined();
    link.sent(64 * KiB * 10, 1000, 0.25);
    expect([link.thin, link.chunkBytes, link.contentBps]).toEqual([true, 512 * KiB, 2560 * KiB * 8]);
    answers(...Array(16).fill(2));
    expect([link.thin, link.contentBps]).toEqual([true, 2560 * KiB * 8]);
    for (let n = 0; n < 9; n++) link.sent(64 * MiB, 1000);
    expect([link.thin, link.contentBps]).toEqual([false, undefined]);
  });

  test("near and slow is thin too", () => {
    answers(2, 2, 2);
    link.sent(1 * MiB, 10_000);
    expect([link.thin, link.chunkBytes]).toEqual([true, 64 * KiB]);
  });
});

test("what a link brings is told where it is thin", () => {
  link.brought(100_000, 1000);
  expect(link.broughtBps).toBeUndefined();
  answers(2000, 2000, 2000);
  expect(link.broughtBps).toBe(800_000);
  link.brought(300_000, 1000);
  expect(link.broughtBps).toBe(1_600_000);
});

test("no bound is under what is asked for, nor under six round trips", () => {
  expect(link.atLeast(30_000)).toBe(30_000);
  answers(2000, 2500, 3000);
  expect(link.atLeast(30_000)).toBe(30_000);
  expect(link.atLeast(5_000)).toBe(12_000);
});

describe("contact that is back", () => {
  let told: number[];
  beforeEach(() => {
    told = [];
    link.onContact((lost) => told.push(lost));
  });

  test("is told once, with the time before which all was begun without it", () => {
    link.asked();
    now += 60_000;
    link.asked();
    now += 60_000;
    link.heard();
    expect(told).toEqual([now - 10_000]);
    link.heard();
    expect(told.length).toBe(1);
  });

  test("is no news after a short silence, nor where nothing was asked", () => {
    now += 3600_000;
    link.heard();
    link.asked();
    now += 9_000;
    link.heard();
    link.asked();
    now += 9_000;
    link.expectContact();
    expect(told).toEqual([]);
  });

  test("on a far link silence is six round trips", () => {
    answers(4000, 4000, 4000);
    link.asked();
    now += 23_000;
    link.heard();
    expect(told).toEqual([]);
  });

  test("a window that opens ends a silence as well, and a pause with it", async () => {
    link.asked();
    now += 20_000;
    const pause = link.pause(new Backoff(3600_000, 3600_000));
    link.expectContact();
    await pause;
    expect(told.length).toBe(1);
  });

  test("who has ended it is told nothing", () => {
    const other: number[] = [];
    link.onContact((lost) => other.push(lost))();
    link.asked();
    now += 20_000;
    link.heard();
    expect([told.length, other.length]).toEqual([1, 0]);
  });
});
