import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeUlidsBy } from "#lambdas/ledger/ulid.ts";
import { replayed, share } from "#test/support/long-run.ts";
import { expectEnd } from "./support/joint/joint-end.ts";
import { type Asked, JointWorld, USERS } from "./support/joint/joint-world.ts";
import { simulatedUlid } from "./support/joint/sim-ulid.ts";
import { VirtualTime } from "./support/joint/virtual-time.ts";

beforeAll(() => makeUlidsBy(simulatedUlid));
afterAll(() => makeUlidsBy());

/**
 * A short share always, and a long run on demand. A failure names the seed and path that replay it:
 * `PERIGEE_REPLAY=<seed>:<path> npm test -- test/faults/joint-histories.test.ts`.
 */
const RUNS = share(10_000, 40);

const number = fc.nat({ max: 1000 });
const asked: fc.Arbitrary<Asked> = fc.record(
  {
    lane: fc.constantFrom("em", "jobs", "jobs", "few"),
    user: fc.constantFrom(...USERS),
    operation: fc.constantFrom(0, 0, 0, 1, 2, 2, 3, 4),
    on: fc.nat({ max: 5 }),
    nature: fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 4),
    group: fc.constantFrom("x", "y"),
  },
  { requiredKeys: ["lane", "user", "operation", "on", "nature"] },
);
const downMs = fc.constantFrom(0, 10, 500, 5_000, 40_000);
/** ms until an act: mostly beside what the one before began */
const gap = fc.constantFrom(0, 0, 1, 3, 10, 30, 100, 300, 1_000, 10_000);

const act = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      asked,
      place: fc.boolean(),
      wait: fc.constantFrom("end" as const, "end" as const, "none" as const, 500),
      key: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("many" as const),
      asked,
      count: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("cancel" as const), pick: number }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("kill ground" as const),
      inTransactions: fc.nat({ max: 4 }),
      landed: fc.boolean(),
      downMs,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("kill agent" as const), downMs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop agent" as const), downMs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("replace" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      path: fc.constantFrom("/claim", "/progress", "/report", "/start", "/heartbeat", "doorbell", "user"),
      fault: fc.constantFrom("lost" as const, "answer lost" as const, "late" as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("rings" as const),
      heard: fc.array(fc.nat({ max: 3 }), { maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("cut" as const), ms: fc.integer({ min: 1, max: 120_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("plan" as const),
      // over, too early, too late, absent, overlapping
      windows: fc.array(
        fc.record({ from: fc.integer({ min: -900, max: 1800 }), length: fc.integer({ min: 1, max: 900 }) }),
        { maxLength: 5 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("janitor" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("minutes" as const), minutes: fc.constant(11) }) },
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

const history = fc.record({
  seed: fc.noBias(fc.nat()),
  percentLost: fc.constantFrom(0, 0, 2, 10),
  acts: fc.array(fc.tuple(gap, act), { maxLength: 40, size: "max" }),
});
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

async function happen(world: JointWorld, act: Act): Promise<void> {
  if (act.kind === "minutes") await world.run(act.minutes * 60_000);
  world.act(() => {
    if (act.kind === "submit") world.submit({ ...act.asked, place: act.place, wait: act.wait, key: act.key });
    if (act.kind === "many") world.submitMany({ ...act.asked, count: act.count });
    if (act.kind === "cancel") world.cancel(act.pick);
    if (act.kind === "kill ground") world.killGround(act.inTransactions, act.landed, act.downMs);
    if (act.kind === "kill agent") world.killAgent(act.downMs);
    if (act.kind === "stop agent") world.stopAgent(act.downMs);
    if (act.kind === "replace") world.replace();
    if (act.kind === "fault") world.fault(act.path, act.fault, act.count);
    if (act.kind === "rings") world.rings = [...act.heard];
    if (act.kind === "cut") world.network.cutUntil = world.time.now + act.ms;
    if (act.kind === "plan") world.plan(act.windows);
    if (act.kind === "reset") world.reset();
    if (act.kind === "janitor") world.janitor();
  });
}

/** @returns what came of it, in words that are the same each time */
async function play({ seed, percentLost, acts }: History): Promise<string> {
  const time = new VirtualTime(seed);
  return time.during(async () => {
    const world = new JointWorld(time);
    world.act(() => {
      world.startGround();
      world.startAgent();
    });
    await world.run(1_000);
    world.network.percentLost = percentLost;
    for (const [ms, act] of acts) {
      await world.run(ms);
      await happen(world, act);
    }
    await expectEnd(world);
    for (const computer of world.computers) computer.close();
    const ends = [...world.watcher.commands.values()].map(({ state, attempts }) => `${state} ${attempts}`);
    return `${time.count} events, ${time.now} ms: ${ends.join(", ")}`;
  });
}

test(`${RUNS} histories of ledger and agent together`, { timeout: RUNS * 12_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(history, async (of) => void (await play(of))),
    // a history that waits for ever takes long to shrink: its seed and path are told in time
    { numRuns: RUNS, interruptAfterTimeLimit: RUNS * 9_000, markInterruptAsFailure: true, ...replayed() },
  );
});

test("the same history happens the same way each time", async () => {
  for (const of of fc.sample(history, { numRuns: 5, seed: 7 })) expect(await play(of)).toBe(await play(of));
});
