import { expect, test } from "vitest";
import { FirstLooks } from "./first-looks.ts";

/** Commands of these durations (ms), waited for one after the other; how they were looked at. */
function wait(looks: FirstLooks, durations: number[], skew = 0) {
  return durations.map((ms) => {
    let at = looks.of("nodes.status");
    let tooSoon: number | undefined;
    let count = 1;
    // the ledger says a little later that it has ended
    for (; at < ms + 4; count++) {
      tooSoon = at;
      at += Math.max(10, at / 4);
    }
    looks.found("nodes.status", { at, tooSoon, ended: ms + skew });
    return { at, count };
  });
}
const mean = (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

test("after one command a look comes about when the next has ended, and is mostly the only one", () => {
  const looks = new FirstLooks({ start: 100, most: 1000 });
  wait(looks, [40]);
  const learned = wait(looks, Array(200).fill(40));
  expect(mean(learned.map(({ at }) => at))).toBeLessThan(52);
  expect(mean(learned.map(({ count }) => count))).toBeLessThan(1.2);
});

test.each([-5000, -30, 30, 5000])("also where the clocks differ by %i ms", (skew) => {
  const looks = new FirstLooks({ start: 100, most: 1000 });
  wait(looks, Array(400).fill(40), skew);
  const learned = wait(looks, Array(200).fill(40), skew);
  expect(mean(learned.map(({ at }) => at))).toBeLessThan(52);
  expect(mean(learned.map(({ count }) => count))).toBeLessThan(1.3);
});

test("and where no two commands take the same time", () => {
  const looks = new FirstLooks({ start: 100, most: 1000 });
  const learned = wait(
    looks,
    Array.from({ length: 400 }, (_, n) => 30 + ((n * 7919) % 30)),
  );
  // the mean command takes 45 ms, and its end shows 4 ms later
  expect(mean(learned.map(({ at }) => at))).toBeLessThan(62);
  expect(mean(learned.map(({ count }) => count))).toBeLessThan(1.35);
});

test("it follows when commands become slower, and when they become faster", () => {
  const looks = new FirstLooks({ start: 100, most: 1000 });
  wait(looks, Array(30).fill(40));
  wait(looks, Array(60).fill(400));
  expect(looks.of("nodes.status")).toBeGreaterThan(380);
  wait(looks, Array(100).fill(40));
  expect(looks.of("nodes.status")).toBeLessThan(50);
});

test("one slow command makes the next wait little longer", () => {
  const looks = new FirstLooks({ start: 100, most: 1000 });
  wait(looks, Array(30).fill(40));
  const before = looks.of("nodes.status");
  wait(looks, [60_000]);
  expect(looks.of("nodes.status")).toBeLessThanOrEqual(before * 1.25);
});

test("it stays within its bounds, and each operation has its own", () => {
  const looks = new FirstLooks({ start: 100, most: 1000 });
  wait(looks, Array(100).fill(0));
  expect(looks.of("nodes.status")).toBe(10);
  wait(looks, Array(200).fill(60_000));
  expect(looks.of("nodes.status")).toBe(1000);
  expect(looks.of("pod.run")).toBe(100);
});
