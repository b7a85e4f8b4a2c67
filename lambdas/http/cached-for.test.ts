import { expect, test, vi } from "vitest";
import { cachedFor } from "./cached-for.ts";

test("works once in a while, and again at once after a failure", async () => {
  const clock = vi.spyOn(performance, "now").mockReturnValue(0);
  try {
    let calls = 0;
    const read = cachedFor(1000, async () => {
      calls++;
      if (calls === 2) throw new Error("not now");
      return calls;
    });
    expect(await Promise.all([read(), read()])).toEqual([1, 1]);
    clock.mockReturnValue(999);
    expect(await read()).toBe(1);
    clock.mockReturnValue(1000);
    await expect(read()).rejects.toThrow("not now");
    expect(await read()).toBe(3);
  } finally {
    clock.mockRestore();
  }
});
