import { describe, expect, test } from "vitest";
import type { Lane } from "./profile.ts";
import { quicker, readProfiles } from "./profile.ts";
import { seededRandom } from "./seeded-random.ts";
import { endOfWindow, Shaper } from "./shaper.ts";

const lane = (of: Partial<Lane> = {}): Lane => ({
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  queueBytes: 10_000,
  ...of,
});
const shaper = (of: Partial<Lane>, windows?: Parameters<typeof endOfWindow>[0], seed = 1) =>
  new Shaper(lane(of), windows, seededRandom(seed));

describe("rate and delay", () => {
  test("packets wait for one another, and each for the way", () => {
    const way = shaper({ bitsPerSecond: 8000, delayMs: 500 });
    expect(way.offer(1000, 0)).toEqual({ at: 1500, bytes: 1000 });
    expect(way.offer(500, 10)).toEqual({ at: 2000, bytes: 500 });
    expect(way.offer(500, 5000)).toEqual({ at: 6000, bytes: 500 });
  });

  test("without a rate there is only the delay", () => {
    const way = shaper({ delayMs: 30 });
    expect([way.offer(1500, 1), way.offer(1500, 1)]).toEqual(
      [1, 1].map((at) => ({ at: at + 30, bytes: 1500 })),
    );
  });

  test("what finds a full queue is dropped, and takes no time of the link", () => {
    const way = shaper({ bitsPerSecond: 8000, queueBytes: 2000 });
    const fates = [0, 0, 0, 0, 0].map((now) => way.offer(1000, now));
    expect(fates.map((fate) => (typeof fate === "string" ? fate : fate.at))).toEqual([
      1000,
      2000,
      3000,
      "queue full",
      "queue full",
    ]);
    expect(way.offer(1000, 3000)).toEqual({ at: 4000, bytes: 1000 });
  });

  test("jitter is bounded, and nothing overtakes", () => {
    const way = shaper({ delayMs: 100, jitterMs: 50 });
    let before = 0;
    const late = new Set<number>();
    for (let now = 0; now < 2000; now += 5) {
      const fate = way.offer(100, now);
      if (typeof fate === "string") throw new Error(fate);
      expect(fate.at).toBeGreaterThanOrEqual(Math.max(before, now + 100));
      expect(fate.at).toBeLessThanOrEqual(now + 150);
      before = fate.at;
      late.add(Math.round(fate.at - now));
    }
    expect(late.size).toBeGreaterThan(10);
  });
});

test("about so many get lost, the same ones for the same seed", () => {
  const fates = (seed: number) => {
    const way = shaper({ loss: 0.02 }, undefined, seed);
    return Array.from({ length: 10_000 }, (_, now) => way.offer(100, now) === "lost");
  };
  const lost = fates(7).filter(Boolean).length;
  expect(lost).toBeGreaterThan(140);
  expect(lost).toBeLessThan(260);
  expect(fates(7)).toEqual(fates(7));
  expect(fates(8)).not.toEqual(fates(7));
});

describe("windows", () => {
  const windows = { firstMs: 100, lengthMs: 1000, everyMs: 5000 };

  test("come again and again", () => {
    const ends = [0, 99, 100, 1099, 1100, 5099, 5100, 6099, 6100].map((now) => endOfWindow(windows, now));
    const none = undefined;
    expect(ends).toEqual([none, none, 1100, 1100, none, none, 6100, 6100, none]);
  });

  test("the packet that is being sent when one ends arrives in part, those behind it not at all", () => {
    const way = shaper({ bitsPerSecond: 8000, delayMs: 10 }, windows);
    expect(way.offer(400, 700)).toEqual({ at: 1110, bytes: 400 });
    const cut = shaper({ bitsPerSecond: 8000, delayMs: 10 }, windows);
    expect(cut.offer(1000, 700)).toEqual({ at: 1110, bytes: 400 });
    expect(cut.offer(1000, 710)).toBe("no link");
    expect(cut.offer(1000, 3000)).toBe("no link");
    expect(cut.offer(1000, 5100)).toEqual({ at: 6110, bytes: 1000 });
  });
});

test("a quicker link has the same bytes on their way and in a window", () => {
  for (const profile of Object.values(readProfiles())) {
    const quick = quicker(profile, 10);
    const onTheWay = ({ up, windows }: typeof profile) => [
      (up.bitsPerSecond ?? 0) * up.delayMs,
      (up.bitsPerSecond ?? 0) * (windows?.lengthMs ?? 0),
    ];
    expect(onTheWay(quick)).toEqual(onTheWay(profile));
  }
});
