import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UserTidier } from "./user-tidier.ts";

describe("UserTidier", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const make = () => {
    const tidied: string[] = [];
    const tidier = new UserTidier(1000, async (user) => void tidied.push(user));
    return { tidier, tidied };
  };

  it("tidies once, when the user was quiet long enough", () => {
    const { tidier, tidied } = make();
    tidier.later("ann");
    vi.advanceTimersByTime(900);
    tidier.later("ann");
    vi.advanceTimersByTime(900);
    expect(tidied).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(tidied).toEqual(["ann"]);
    vi.advanceTimersByTime(10_000);
    expect(tidied).toEqual(["ann"]);
  });

  it("counts for each user apart, and stops when closed", () => {
    const { tidier, tidied } = make();
    tidier.later("ann");
    vi.advanceTimersByTime(500);
    tidier.later("bob");
    vi.advanceTimersByTime(500);
    expect(tidied).toEqual(["ann"]);
    tidier.close();
    vi.advanceTimersByTime(10_000);
    expect(tidied).toEqual(["ann"]);
  });
});
