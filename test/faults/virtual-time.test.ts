import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { SimProcess } from "./support/joint/sim-process.ts";
import { VirtualTime } from "./support/joint/virtual-time.ts";

/** Sleeps in a simulated process. @returns the times (ms since the simulation began) at which it woke */
async function simulate(time: VirtualTime): Promise<number[]> {
  const woke: number[] = [];
  const process = new SimProcess("sleeper");
  process.within(async () => {
    for (let n = 0; n < 3; n++) {
      await sleep(1_000);
      woke.push(time.now);
    }
  });
  await time.run(10_000);
  return woke;
}

test("a simulation that nobody waits for does not reach into the next one", async () => {
  const times = [new VirtualTime(1), new VirtualTime(2)];
  const begun: number[] = [];
  const [abandoned, next] = times.map((time, n) =>
    time.during(() => {
      begun.push(n);
      return simulate(time);
    }),
  );
  expect(await next).toEqual([1_000, 2_000, 3_000]);
  expect(begun).toEqual([0, 1]);
  expect(await abandoned).toEqual([1_000, 2_000, 3_000]);
});

test("a simulation that fails leaves the clocks to the next one", async () => {
  const failed = new VirtualTime(1).during(async () => {
    throw new Error("broken");
  });
  const time = new VirtualTime(2);
  const next = time.during(() => simulate(time));
  await expect(failed).rejects.toThrow("broken");
  expect(await next).toEqual([1_000, 2_000, 3_000]);
});

test.each<[string, () => Promise<unknown>]>([
  ["a file", () => readFile(import.meta.filename)],
  ["a hash from another thread", () => crypto.subtle.digest("SHA-256", Buffer.from("x"))],
])(
  "a simulated process that waits for %s is refused: that takes as long as the machine says",
  async (_, wait) => {
    const time = new VirtualTime(1);
    const played = time.during(async () => {
      void new SimProcess("hurried").within(wait);
      await time.run(10_000);
    });
    await expect(played).rejects.toThrow("hurried waits for something that is not simulated");
  },
);
