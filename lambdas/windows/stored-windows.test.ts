import { beforeEach, describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { type MemoryStore, MemoryTable } from "#test/support/memory-store.ts";
import { StoredWindows } from "./stored-windows.ts";

const MINUTE = 60_000;

describe("plans of contact windows", () => {
  let now: number;
  let store: MemoryStore;
  let windows: StoredWindows;
  beforeEach(() => {
    now = 100 * MINUTE;
    store = new MemoryTable().open();
    windows = new StoredWindows({ store, now: () => now });
  });
  const at = (minute: number, station = "Svalbard") => ({
    start: minute * MINUTE,
    end: (minute + 9) * MINUTE,
    station,
  });

  test("an edge without a plan has none, and another's is not its own", async () => {
    await windows.change("em2", () => [at(120)]);
    expect([await windows.revision("em1"), await windows.plan("em1")]).toEqual([undefined, undefined]);
  });

  test("each change raises the revision, one that changes nothing does not", async () => {
    expect(await windows.change("em1", () => [at(130), at(120)])).toEqual({
      revision: 1,
      windows: [at(120), at(130)],
    });
    await windows.change("em1", (all) => [...all, at(120)]);
    expect(await windows.revision("em1")).toBe(1);
    await windows.change("em3", () => []);
    expect(await windows.revision("em3")).toBeUndefined();
    await windows.change("em1", () => []);
    expect(await windows.plan("em1")).toEqual({ revision: 2, windows: [] });
  });

  test("what is over is not in the plan any more, and takes no place in it", async () => {
    await windows.change("em1", () => Array.from({ length: LIMITS.windows }, (_, i) => at(120, `s${i}`)));
    const more = windows.change("em1", (all) => [...all, at(150)]);
    await expect(more).rejects.toMatchObject({ code: "INVALID_PARAMETERS" });
    await expect(more).rejects.toThrow(
      `A plan has at most ${LIMITS.windows} windows; this one would have ${LIMITS.windows + 1}`,
    );
    now = 130 * MINUTE;
    expect(await windows.plan("em1")).toEqual({ revision: 1, windows: [] });
    expect(await windows.change("em1", (all) => [...all, at(150)])).toEqual({
      revision: 2,
      windows: [at(150)],
    });
  });

  test("the largest plan fits into its item", async () => {
    const station = (i: number) => `${i}`.padStart(LIMITS.windowStation, "\u{4e00}");
    const rates = { uplinkBps: LIMITS.windowBps - 0.5, downlinkBps: LIMITS.windowBps - 0.5 };
    const all = Array.from({ length: LIMITS.windows }, (_, i) => ({
      ...at(30_000_000 + i, station(i)),
      ...rates,
    }));
    expect((await windows.change("em1", () => all)).windows).toHaveLength(LIMITS.windows);
  });

  test("two who change a plan at the same time both do", async () => {
    const other = new StoredWindows({ store, now: () => now });
    await Promise.all([
      windows.change("em1", (all) => [...all, at(120)]),
      other.change("em1", (all) => [...all, at(130)]),
    ]);
    expect(await windows.plan("em1")).toEqual({ revision: 2, windows: [at(120), at(130)] });
  });
});
