import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WindowPlan } from "#protocol/contact-window.ts";
import { LIMITS } from "#protocol/limits.ts";
import { ContactPlan } from "./contact-plan.ts";
import { PlanFile } from "./plan-file.ts";
import { RestingDoorbell } from "./resting-doorbell.ts";

const MINUTE = 60_000;
const OUTSIDE = 10 * MINUTE;
const log = { info() {}, warn() {} };

describe("the agent's plan of contact windows", () => {
  let directory: string;
  let now: number;
  let onGround: WindowPlan | Error;
  let fetches: number;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "perigee-plan-"));
    now = 1000 * MINUTE;
    fetches = 0;
    onGround = { revision: 1, windows: [{ start: now + 42 * MINUTE, end: now + 51 * MINUTE, station: "S" }] };
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const open = (outsideMs: number | undefined = OUTSIDE) =>
    new ContactPlan(
      {
        file: new PlanFile(directory, log),
        log,
        now: () => now,
        fetch: async () => {
          fetches += 1;
          if (onGround instanceof Error) throw onGround;
          return onGround;
        },
      },
      { outsideMs },
    );
  const told = async (plan: ContactPlan, revision: number | undefined) => {
    plan.heard(revision);
    await new Promise((resolve) => setImmediate(resolve));
  };

  test("without the setting, and without a plan, it never rests", async () => {
    expect(open().restMs()).toBe(0);
    const unset = new ContactPlan({
      file: new PlanFile(directory, log),
      log,
      now: () => now,
      fetch: async () => onGround as WindowPlan,
    });
    await told(unset, 1);
    expect([unset.restMs(), unset.pace(8000)]).toEqual([0, 8000]);
  });

  test("it rests until the next window, not in a window, and not when nothing is planned any more", async () => {
    const plan = open();
    await told(plan, 1);
    expect([plan.restMs(), plan.pace(8000)]).toEqual([42 * MINUTE, OUTSIDE]);
    expect([plan.untilNextMs(), plan.present()]).toEqual([42 * MINUTE, undefined]);
    now += 42 * MINUTE;
    expect([plan.untilNextMs(), plan.present()?.start]).toEqual([undefined, now]);
    expect([plan.restMs(), plan.pace(8000)]).toEqual([0, 8000]);
    now += 9 * MINUTE;
    expect([plan.restMs(), plan.pace(8000)]).toEqual([0, 8000]);
  });

  test("while the link is in use it does not rest; a clock that is set back does not prolong that", async () => {
    const plan = open();
    await told(plan, 1);
    plan.active();
    now += LIMITS.contactMs - 1;
    expect(plan.restMs()).toBe(0);
    now += 1;
    expect(plan.restMs()).toBeGreaterThan(0);
    plan.active();
    now -= 1;
    expect(plan.restMs()).toBeGreaterThan(0);
  });

  test("the plan is asked for when the ground's is another, and kept over restarts", async () => {
    await told(open(), 1);
    const again = open();
    expect(again.restMs()).toBe(42 * MINUTE);
    await told(again, 1);
    expect(fetches).toBe(1);
    onGround = { revision: 2, windows: [] };
    await told(again, 2);
    expect([fetches, again.restMs()]).toEqual([2, 0]);
    await told(again, undefined);
    expect(() => readFileSync(join(directory, "contact-windows.json"))).toThrow("ENOENT");
  });

  test("a plan that cannot be fetched is asked for again, and the old one stays", async () => {
    const plan = open();
    await told(plan, 1);
    const good = onGround;
    onGround = new Error("no contact");
    await told(plan, 2);
    expect(plan.restMs()).toBe(42 * MINUTE);
    onGround = { ...(good as WindowPlan), revision: 2 };
    await told(plan, 2);
    await told(plan, 2);
    expect(fetches).toBe(3);
  });

  test.each(["", "{", "[]", '{"revision":1,"windows":[{"start":"now"}]}'])(
    "a broken file is no plan: %s",
    (text) => {
      writeFileSync(join(directory, "contact-windows.json"), text);
      expect(open().restMs()).toBe(0);
    },
  );

  test("what cannot be kept is known all the same", async () => {
    const plan = open();
    rmSync(directory, { recursive: true });
    await told(plan, 1);
    expect(plan.restMs()).toBe(42 * MINUTE);
    directory = mkdtempSync(join(tmpdir(), "perigee-plan-"));
  });
});

describe("resting doorbell", () => {
  const bell = () => {
    const asked: number[] = [];
    return { asked, wait: async (ms: number) => asked.push(ms) > 0 };
  };

  test("in a window the doorbell is asked as ever", async () => {
    const inner = bell();
    expect(await new RestingDoorbell(inner, { restMs: () => 0 }).wait(500)).toBe(true);
    expect(inner.asked).toEqual([500]);
  });

  test("a rest asks nobody and ends when a window opens, or the plan changes", async () => {
    const inner = bell();
    const awake = vi.fn();
    const rests = [60_000, 60_000, 60_000, 0];
    const resting = new RestingDoorbell(inner, { restMs: () => rests.shift() ?? 0 }, { awake, lookMs: 1 });
    expect(await resting.wait(3_600_000)).toBe(false);
    expect([inner.asked, awake.mock.calls.length, rests]).toEqual([[], 1, []]);
  });

  test("a rest ends with its time, and when it is aborted", async () => {
    const inner = bell();
    const resting = new RestingDoorbell(inner, { restMs: () => 60_000 }, { lookMs: 1 });
    expect(await resting.wait(5)).toBe(false);
    const stop = new AbortController();
    const waiting = resting.wait(3_600_000, stop.signal);
    stop.abort();
    expect(await waiting).toBe(false);
    expect(inner.asked).toEqual([]);
  });

  test("when contact may be back, a wait at the doorbell ends as if nothing had rung, and is begun anew", async () => {
    const again = vi.fn();
    const wait = (_ms: number, signal?: AbortSignal) =>
      new Promise<boolean>((resolve) => signal?.addEventListener("abort", () => resolve(false)));
    const resting = new RestingDoorbell({ wait, again }, { restMs: () => 0 });
    for (const signal of [undefined, new AbortController().signal]) {
      const waiting = resting.wait(3_600_000, signal);
      resting.expectContact();
      expect(await waiting).toBe(false);
    }
    expect(again).toHaveBeenCalledTimes(2);
  });
});
