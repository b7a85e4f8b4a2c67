import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeUlidsBy } from "#lambdas/ledger/ulid.ts";
import { simulatedUlid } from "#test/faults/support/joint/sim-ulid.ts";
import { VirtualTime } from "#test/faults/support/joint/virtual-time.ts";
import { replayed, share } from "#test/support/long-run.ts";
import { type Beginning, makeBeginning } from "./support/histories/job-ground.ts";
import { expectJobsEnd } from "./support/histories/job-history-end.ts";
import { JobHistoryWorld } from "./support/histories/job-history-world.ts";

beforeAll(() => makeUlidsBy(simulatedUlid));
afterAll(() => makeUlidsBy());

/**
 * A short share always, and a long run on demand. A failure names the seed and path that replay it:
 * `PERIGEE_REPLAY=<seed>:<path> npm test -- test/dialects/kabuto/job-histories.test.ts`.
 */
const RUNS = share(5_000, 8);

let beginning: Beginning;
beforeAll(async () => {
  beginning = await makeBeginning();
});

/** ms below 0: it cannot be started; over a minute: it is longer than it may run */
const work = fc.record({
  ms: fc.constantFrom(0, 20, 200, 200, 3_000, 15_000, 90_000, -1),
  lines: fc.constantFrom(0, 1, 2, 7),
  code: fc.constantFrom(0, 0, 0, 3),
  stubborn: fc.boolean(),
});
const pipelines = fc.array(
  fc.record({ stop: fc.boolean(), jobs: fc.array(work, { minLength: 1, maxLength: 3 }) }),
  {
    minLength: 1,
    maxLength: 3,
  },
);
const pick = fc.nat({ max: 100 });
const downMs = fc.constantFrom(0, 10, 500, 5_000, 40_000);
/** ms until an act: mostly beside what the one before began */
const gap = fc.constantFrom(0, 1, 10, 30, 100, 300, 1_000, 5_000, 20_000);

const act = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("submit" as const), pick }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("kill" as const, "cancel" as const), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel pipeline" as const), pick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("kill ground" as const),
      inTransactions: fc.nat({ max: 5 }),
      landed: fc.boolean(),
      downMs,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("kill agent" as const), downMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stop agent" as const), downMs }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("lose machine" as const), forgets: fc.boolean(), downMs }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      path: fc.constantFrom(
        "/claim",
        "/progress",
        "/report",
        "/start",
        "/transfers",
        "/logs",
        "put",
        "doorbell",
      ),
      fault: fc.constantFrom("lost" as const, "answer lost" as const, "late" as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("cut" as const), ms: fc.integer({ min: 1, max: 120_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("janitor" as const) }) },
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

const history = fc.record({
  seed: fc.noBias(fc.nat()),
  percentLost: fc.constantFrom(0, 0, 2, 10),
  pipelines,
  acts: fc.array(fc.tuple(gap, act), { maxLength: 25, size: "max" }),
});
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

function happen(world: JobHistoryWorld, act: Act): void {
  if (act.kind === "submit") world.submit(act.pick);
  if (act.kind === "kill" || act.kind === "cancel") world.end(act.kind, act.pick);
  if (act.kind === "cancel pipeline") world.cancelPipeline(act.pick);
  if (act.kind === "kill ground") world.killGround(act.inTransactions, act.landed, act.downMs);
  if (act.kind === "kill agent") world.killAgent(act.downMs);
  if (act.kind === "stop agent") world.stopAgent(act.downMs);
  if (act.kind === "lose machine") world.loseMachine(act.forgets, act.downMs);
  if (act.kind === "fault") world.fault(act.path, act.fault, act.count);
  if (act.kind === "cut") world.network.cutUntil = world.time.now + act.ms;
  if (act.kind === "reset") world.reset();
  if (act.kind === "janitor") world.janitor();
}

/** @returns what came of it, in words that are the same each time */
async function play({ seed, percentLost, pipelines, acts }: History): Promise<string> {
  const time = new VirtualTime(seed);
  return time.during(async () => {
    const world = new JobHistoryWorld(time, beginning);
    world.act(() => {
      world.startGround();
      world.startAgent();
    });
    try {
      await world.run(1_000);
      await world.make(pipelines);
      world.network.percentLost = percentLost;
      for (const [ms, act] of acts) {
        await world.run(ms);
        world.act(() => happen(world, act));
      }
      const left = await expectJobsEnd(world);
      const ends = [...world.jobs.values()].map(
        ({ shown }) => `${shown?.run} ${shown?.state} ${shown?.reason}`,
      );
      return `${time.count} events, ${time.now} ms, ${left} left to the janitor: ${ends.join(", ")}`;
    } finally {
      world.close();
    }
  });
}

test(`${RUNS} histories of jobs, whose ends can be read as soon as they show`, {
  timeout: RUNS * 12_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(history, async (of) => void (await play(of))),
    { numRuns: RUNS, interruptAfterTimeLimit: RUNS * 9_000, markInterruptAsFailure: true, ...replayed() },
  );
});

const one: Omit<History, "acts"> = {
  ...{ seed: 1, percentLost: 0 },
  pipelines: [{ stop: false, jobs: [{ ms: 20, lines: 1, code: 0, stubborn: false }] }],
};

test.each<[string, number, History]>([
  [
    "a zip that comes again when its job has ended",
    1,
    {
      ...one,
      acts: [
        [0, { kind: "fault", path: "put", fault: "late", count: 1 }],
        [0, { kind: "submit", pick: 0 }],
        [1_000, { kind: "janitor" }],
      ],
    },
  ],
  [
    "the zip of a job that is given up when it has been sent",
    1,
    {
      ...one,
      acts: [
        [0, { kind: "fault", path: "/report", fault: "lost", count: 4 }],
        [0, { kind: "submit", pick: 0 }],
        [300, { kind: "reset" }],
      ],
    },
  ],
  [
    "what a ground that dies as it notes an end did not remove",
    0,
    {
      ...one,
      acts: [
        [0, { kind: "submit", pick: 0 }],
        [0, { kind: "kill ground", inTransactions: 4, landed: true, downMs: 0 }],
        [1_000, { kind: "janitor" }],
      ],
    },
  ],
])("%s: %d stay, for a day", async (_, count, of) => {
  expect(await play(of)).toContain(`${count} left to the janitor`);
});

test("a job that ends by itself after its time, while there is no agent, is done", async () => {
  const jobs = [{ ms: 90_000, lines: 1, code: 0, stubborn: false } as const];
  const acts: History["acts"] = [
    [0, { kind: "submit", pick: 0 }],
    [20_000, { kind: "janitor" }],
    [20_000, { kind: "janitor" }],
    [5_000, { kind: "janitor" }],
    [5_000, { kind: "janitor" }],
    [5_000, { kind: "kill agent", downMs: 40_000 }],
    [20_000, { kind: "janitor" }],
    [20_000, { kind: "janitor" }],
  ];
  expect(await play({ ...one, pipelines: [{ stop: false, jobs }], acts })).toContain("1 done Completed");
});

test("the same history happens the same way each time", async () => {
  for (const of of fc.sample(history, { numRuns: 4, seed: 7 })) expect(await play(of)).toBe(await play(of));
});
