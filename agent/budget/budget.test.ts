import { beforeEach, describe, expect, test } from "vitest";
import { Budget } from "./budget.ts";

let held: Record<string, number>;
let known: number | undefined;
let measured: number;
let budget: Budget;
beforeEach(() => {
  [held, known, measured] = [{}, undefined, 0];
  budget = new Budget({
    known: async () => known,
    measure: async (user) => {
      measured++;
      await new Promise((resolve) => setImmediate(resolve));
      return held[user] ?? 0;
    },
    quota: () => 100,
  });
});

const outcomes = async (calls: Promise<unknown>[]) =>
  (await Promise.allSettled(calls)).map((call) =>
    call.status === "fulfilled" ? "fits" : (call.reason as { code: string }).code,
  );

describe("the budget", () => {
  test("lets in what fits, of any number at once", async () => {
    const calls = Array.from({ length: 5 }, () => budget.reserve("ann", 30));
    expect(await outcomes(calls)).toEqual(["fits", "fits", "fits", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"]);
    expect(budget.reserved("ann")).toBe(90);
    // everybody has a quota of their own
    expect(await outcomes([budget.reserve("bob", 100)])).toEqual(["fits"]);
  });

  test("is given back when it is disposed of", async () => {
    {
      using _ = await budget.reserve("ann", 100);
      expect(await outcomes([budget.reserve("ann", 1)])).toEqual(["QUOTA_EXCEEDED"]);
    }
    expect(await outcomes([budget.reserve("ann", 100)])).toEqual(["fits"]);
  });

  test("counts what lands once, also for one who looks in the middle of it", async () => {
    using reserved = await budget.reserve("ann", 60);
    const landing = reserved.land(async () => {
      held.ann = 60;
      await new Promise((resolve) => setImmediate(resolve));
    });
    expect(await outcomes([budget.reserve("ann", 40), budget.reserve("ann", 1)])).toEqual([
      "fits",
      "QUOTA_EXCEEDED",
    ]);
    await landing;
    expect(budget.reserved("ann")).toBe(40);
  });

  test("of what shows its size at its end, the second that does not fit is refused, and leaves nothing", async () => {
    using a = await budget.reserve("ann", undefined);
    using b = await budget.reserve("ann", undefined);
    const land = (of: typeof a) =>
      of.land(
        async () => {
          held.ann = (held.ann ?? 0) + 60;
        },
        async () => 60,
      );
    expect(await outcomes([land(a), land(b)])).toEqual(["fits", "QUOTA_EXCEEDED"]);
    expect(held.ann).toBe(60);
  });

  test("with nothing left lets in what makes nothing more, and nothing of unknown size", async () => {
    held.ann = 100;
    expect(await outcomes([budget.reserve("ann", 0), budget.reserve("ann", undefined)])).toEqual([
      "fits",
      "QUOTA_EXCEEDED",
    ]);
    held.ann = 110;
    expect(await outcomes([budget.reserve("ann", -10), budget.reserve("ann", -9)])).toEqual([
      "fits",
      "QUOTA_EXCEEDED",
    ]);
  });

  test("measures only when what is known does not fit", async () => {
    known = 10;
    await budget.reserve("ann", 50);
    expect(measured).toBe(0);
    known = 80;
    held.ann = 10;
    expect(await outcomes([budget.reserve("ann", 30)])).toEqual(["fits"]);
    expect(measured).toBe(1);
  });

  test("what an earlier life let in counts, and is refused by nobody", async () => {
    using _ = budget.take("ann", 120);
    expect(await outcomes([budget.reserve("ann", 1)])).toEqual(["QUOTA_EXCEEDED"]);
  });
});
