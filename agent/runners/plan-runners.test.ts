import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PlanInput, type PlannedRunner, planRunners, type WantedPool } from "./plan-runners.ts";

const KEYS = ["alice#0", "alice#1", "bob#0", "bob#7"];

const wanted = fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: 4 }).chain((keys) =>
  fc.tuple(
    ...keys.map((key) =>
      fc.record({
        key: fc.constant(key),
        generation: fc.integer({ min: 1, max: 2 }),
        size: fc.integer({ min: 0, max: 30 }),
      }),
    ),
  ),
);
const runners = fc
  .array(
    fc.record({
      pool: fc.constantFrom(...KEYS),
      generation: fc.integer({ min: 1, max: 2 }),
      state: fc.constantFrom("starting", "idle", "used", "ending"),
    }),
    { maxLength: 30 },
  )
  .map((list): PlannedRunner[] => list.map((one, n) => ({ ...one, id: `r${n}` })) as PlannedRunner[]);
const input = fc.record({
  wanted: wanted as fc.Arbitrary<WantedPool[]>,
  runners,
  most: fc.integer({ min: 0, max: 40 }),
  mostOfUser: fc.integer({ min: 0, max: 40 }),
  starts: fc.constant(3),
  blocked: fc.subarray(KEYS).map((keys) => new Set(keys)),
});

/** All that the plan asks for is done: the ground gives back what it is asked for, starts succeed. */
function carryOut(of: PlanInput, next: { id: number }): PlanInput {
  const plan = planRunners(of);
  const gone = new Set([...plan.withdraw, ...plan.end.map(({ id }) => id)]);
  const left = of.runners.flatMap((runner): PlannedRunner[] => {
    if (gone.has(runner.id) || runner.state === "ending") return [];
    return [runner.state === "starting" ? { ...runner, state: "idle" } : runner];
  });
  const started = plan.start.map((pool): PlannedRunner => {
    const { generation } = of.wanted.find(({ key }) => key === pool)!;
    return { id: `n${next.id++}`, pool, generation, state: "starting" };
  });
  return { ...of, runners: [...left, ...started] };
}

const ofAlice = (count: number, state: "idle" | "used"): PlannedRunner[] =>
  Array.from({ length: count }, (_, n) => ({ id: `r${n}`, pool: "alice#0", generation: 1, state }));

describe("the plan of pools", () => {
  test("one user's pools do not have all starts where there are others'", () => {
    const pool = (key: string) => ({ key, generation: 1, size: 9 });
    const mallory = ["0", "1", "2", "3"].map((id) => pool(`mallory#${id}`));
    const of = (wanted: WantedPool[], starting: string[]): PlanInput => ({
      wanted,
      runners: starting.map((key, n) => ({ id: `r${n}`, generation: 1, state: "starting", pool: key })),
      most: 100,
      mostOfUser: 100,
      starts: 3,
      blocked: new Set(),
    });
    expect(planRunners(of([...mallory, pool("bob#0")], [])).start).toContain("bob#0");
    const bobIsFull = { ...pool("bob#0"), size: 0 };
    expect(planRunners(of([...mallory, bobIsFull], ["mallory#0", "mallory#1"])).start).toEqual([]);
    expect(planRunners(of([...mallory, pool("bob#0")], ["mallory#0", "mallory#1"])).start).toEqual(["bob#0"]);
    expect(planRunners(of(mallory, ["mallory#0", "mallory#1"])).start).toHaveLength(1);
  });

  test("starts that never come up make room for another user's", () => {
    const pool = (key: string) => ({ key, generation: 1, size: 3 });
    const stuck = ["r0", "r1", "r2"].map(
      (id): PlannedRunner => ({ id, generation: 1, state: "starting", pool: "mallory#0" }),
    );
    const of = { runners: stuck, most: 100, mostOfUser: 75, starts: 3, blocked: new Set<string>() };
    const alone = planRunners({ ...of, wanted: [pool("mallory#0")] });
    expect([alone.start, alone.end]).toEqual([[], []]);
    const both = planRunners({ ...of, wanted: [pool("mallory#0"), pool("bob#0")] });
    expect([both.start, both.end]).toEqual([[], [{ id: "r2", why: "surplus" }]]);
    const full = planRunners({ ...of, wanted: [pool("mallory#0"), { ...pool("bob#0"), size: 0 }] });
    expect(full.end).toEqual([]);
  });

  test("one user's runners do not open all ports, and pools without ports are filled all the same", () => {
    const pool = (key: string, ports: number) => ({ key, generation: 1, size: 9, ports });
    const wanted = [pool("mallory#0", 16), pool("mallory#1", 0), pool("bob#0", 16)];
    let of: PlanInput = {
      ...{ wanted, runners: [], most: 100, mostOfUser: 75, starts: 3, blocked: new Set() },
      ports: { most: 100, mostOfUser: 75 },
    };
    const next = { id: 0 };
    for (let round = 0; round < 20; round++) {
      of = carryOut(of, next);
      // open from the first moment, and until it is gone
      of.runners.forEach((one) => {
        one.ports = wanted.find(({ key }) => key === one.pool)!.ports;
      });
      const open = of.runners.reduce((sum, { ports = 0 }) => sum + ports, 0);
      expect(open).toBeLessThanOrEqual(100);
    }
    const count = (key: string) => of.runners.filter((one) => one.pool === key).length;
    expect([count("mallory#0"), count("mallory#1"), count("bob#0")]).toEqual([3, 9, 3]);
    expect([...planRunners(of).short]).toEqual([
      ["mallory#0", "ports"],
      ["bob#0", "ports"],
    ]);
    const used = of.runners.map((one): PlannedRunner => ({ ...one, state: "used" }));
    const later = planRunners({ ...of, runners: used.filter((one) => one.pool !== "bob#0") });
    expect([later.start.includes("mallory#0"), later.start.includes("bob#0")]).toEqual([true, true]);
  });

  test("never exceeds the room nor the starts, and leaves alone what was handed out of the present generation", () => {
    fc.assert(
      fc.property(input, (of) => {
        const plan = planRunners(of);
        const starting = of.runners.filter(({ state }) => state === "starting").length;
        expect(plan.start.length).toBeLessThanOrEqual(Math.max(0, of.starts - starting));
        expect(plan.start.length).toBeLessThanOrEqual(Math.max(0, of.most - of.runners.length));
        const generations = new Map(of.wanted.map(({ key, generation }) => [key, generation]));
        for (const { id, why } of plan.end) {
          const runner = of.runners.find((one) => one.id === id)!;
          const current = generations.get(runner.pool) === runner.generation;
          expect(why === "surplus").toBe(current);
          if (current) expect(runner.state).toBe("starting");
        }
        for (const id of plan.withdraw) {
          expect(of.runners.find((one) => one.id === id)!.state).toBe("idle");
        }
        for (const key of plan.start) expect(of.blocked.has(key)).toBe(false);
      }),
    );
  });

  test("converges from any start: outdated ones and surplus go, room is filled, and nothing is done then", () => {
    fc.assert(
      fc.property(input, (first) => {
        let of: PlanInput = { ...first, blocked: new Set() };
        const next = { id: 0 };
        for (let round = 0; round < 200; round++) of = carryOut(of, next);
        const plan = planRunners(of);
        expect([plan.start, plan.end, plan.withdraw]).toEqual([[], [], []]);
        const used = of.runners.filter(({ state }) => state === "used").length;
        const idle = of.wanted.map(
          ({ key }) => of.runners.filter((r) => r.pool === key && r.state === "idle").length,
        );
        const asked = of.wanted.reduce((sum, { size }) => sum + size, 0);
        const filled = idle.reduce((sum, one) => sum + one, 0);
        const userOf = (pool: string) => pool.split("#")[0]!;
        const users = [...new Set(of.wanted.map(({ key }) => userOf(key)))];
        const mostOf = users.length > 1 ? of.mostOfUser : of.most;
        const leftOf = (user: string) => {
          const own = of.runners.filter(({ pool }) => userOf(pool) === user);
          const others = own.filter(({ state }) => state !== "idle").length;
          return { idle: own.length - others, most: Math.max(0, mostOf - others) };
        };
        for (const user of users) expect(leftOf(user).idle).toBeLessThanOrEqual(leftOf(user).most);
        // no place is left that a pool could have
        const wantedOf = (user: string) =>
          of.wanted.reduce((sum, { key, size }) => sum + (userOf(key) === user ? size : 0), 0);
        const could = users.reduce((sum, user) => sum + Math.min(wantedOf(user), leftOf(user).most), 0);
        expect(filled).toBe(Math.min(asked, could, Math.max(0, of.most - used)));
        // shared in turns: nobody has two more than another that still lacks one, and whose user may have one
        of.wanted.forEach(({ key, size }, n) => {
          if (idle[n]! >= size) return;
          expect(plan.short.get(key)).toBe("runners");
          const { idle: has, most } = leftOf(userOf(key));
          const among = of.wanted.flatMap((other, at) =>
            has < most || userOf(other.key) === userOf(key) ? [idle[at]!] : [],
          );
          expect(Math.max(...among)).toBeLessThanOrEqual(idle[n]! + 1);
        });
      }),
    );
  });

  test("a user's runners do not take all room where another has a pool: used ones stay", () => {
    const pools = [
      { key: "alice#0", generation: 1, size: 20 },
      { key: "bob#0", generation: 2, size: 0 },
    ];
    const of = {
      runners: ofAlice(8, "used"),
      most: 12,
      mostOfUser: 9,
      starts: 3,
      blocked: new Set<string>(),
    };
    expect(planRunners({ ...of, wanted: pools })).toMatchObject({
      start: ["alice#0"],
      short: new Map([["alice#0", "runners"]]),
    });
    expect(planRunners({ ...of, wanted: pools.slice(0, 1) }).start).toEqual([
      "alice#0",
      "alice#0",
      "alice#0",
    ]);
  });

  test("a pool that is full gives room to one that is new", () => {
    const pools = [
      { key: "alice#0", generation: 1, size: 20 },
      { key: "bob#0", generation: 2, size: 5 },
    ];
    const plan = planRunners({
      wanted: pools,
      runners: ofAlice(10, "idle"),
      most: 10,
      mostOfUser: 10,
      starts: 3,
      blocked: new Set(),
    });
    expect(plan.withdraw).toHaveLength(5);
    expect(plan.start).toEqual([]);
  });
});
