import { describe, expect, it } from "vitest";
import { doorbellConformance } from "#test/conformance/doorbell.ts";
import { MemoryDoorbell } from "./memory-doorbell.ts";

doorbellConformance("in process", async () => {
  const doorbell = new MemoryDoorbell();
  return { doorbell, listen: (edge) => doorbell.listen(edge), close: async () => {} };
});

describe("MemoryDoorbell", () => {
  it("wakes every wait of an edge, for one may belong to a dead connection", async () => {
    const doorbell = new MemoryDoorbell();
    const waits = [1, 2, 3].map(() => doorbell.listen("e").wait(60_000));
    await doorbell.ring("e");
    expect(await Promise.all(waits)).toEqual([true, true, true]);
    expect(await doorbell.listen("e").wait(1)).toBe(false);
  });

  it("ends the oldest of too many waits on one edge", async () => {
    const doorbell = new MemoryDoorbell();
    const waits = [1, 2, 3, 4, 5, 6].map(() => doorbell.listen("e").wait(60_000));
    expect(await Promise.all(waits.slice(0, 2))).toEqual([false, false]);
    await doorbell.ring("e");
    expect(await Promise.all(waits.slice(2))).toEqual([true, true, true, true]);
  });
});
