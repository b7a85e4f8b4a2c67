import fc from "fast-check";
import { test } from "vitest";
import { replayed, share } from "#test/support/long-run.ts";
import { type Death, LedgerWorld, USERS } from "./support/ledger-world.ts";

/** A short share always, and a long run on demand; PERIGEE_REPLAY replays a failure by its seed and path. */
const RUNS = share(10_000, 300);

type Act = (world: LedgerWorld) => Promise<void>;

const death: fc.Arbitrary<Death | undefined> = fc.option(
  fc.record({ at: fc.integer({ min: 1, max: 4 }), landed: fc.boolean() }),
  { nil: undefined, freq: 4 },
);
const lane = fc.constantFrom("em", "em", "jobs", "jobs", "few");
const user = fc.constantFrom(...USERS);
const group = fc.option(fc.constantFrom("x", "y"), { nil: undefined });
const number = fc.nat({ max: 1000 });
/** minutes, of which eleven pass at once, or two hours */
const lives = fc.option(fc.constantFrom(5, 11, 20), { nil: undefined, freq: 2 });
const priority = fc.option(fc.constantFrom(0, 4, 6, 9), { nil: undefined, freq: 3 });
const room = fc.record({
  em: fc.integer({ min: 0, max: 2 }),
  jobs: fc.integer({ min: 0, max: 4 }),
  few: fc.integer({ min: 0, max: 3 }),
});

/** Named, so that a failing history can be read. */
function act<T>(
  name: string,
  of: fc.Arbitrary<T>,
  run: (world: LedgerWorld, of: T, death?: Death) => Promise<void>,
) {
  return fc.tuple(of, death).map(([what, dies]): Act => {
    const does: Act = (world) => run(world, what, dies);
    return Object.assign(does, {
      [fc.toStringMethod]: () =>
        `${name} ${JSON.stringify(what)}${dies ? ` dying ${JSON.stringify(dies)}` : ""}`,
    });
  });
}

const submit = act(
  "submit",
  fc.record({ lane, user, group, place: fc.boolean(), operation: number, lives, priority }),
  (world, of, dies) => world.submit(of, dies),
);
const claim = act(
  "claim",
  fc.record({
    room,
    lost: fc.nat({ max: 3 }).map((n) => n === 0),
    old: fc.nat({ max: 5 }).map((n) => n === 0),
  }),
  (world, of, dies) => world.claim(of, dies),
);
const report = act(
  "report",
  fc.record({ pick: number, outcome: number, twice: fc.boolean() }),
  (world, of, dies) => world.report(of, dies),
);
const one = fc.oneof(
  { weight: 6, arbitrary: submit },
  { weight: 6, arbitrary: claim },
  { weight: 5, arbitrary: report },
  {
    weight: 1,
    arbitrary: act(
      "submitMany",
      fc.record({ lane, user, count: fc.integer({ min: 1, max: 30 }), operation: number }),
      (world, of, dies) => world.submitMany(of, dies),
    ),
  },
  { weight: 1, arbitrary: act("reserve", user, (world, name, dies) => world.reserve(name, dies)) },
  { weight: 1, arbitrary: act("stage", number, (world, pick, dies) => world.stage(pick, dies)) },
  { weight: 1, arbitrary: act("cancel", number, (world, pick, dies) => world.cancel(pick, dies)) },
  { weight: 1, arbitrary: act("withdraw", number, (world, pick, dies) => world.withdraw(pick, dies)) },
  {
    weight: 1,
    arbitrary: act("progress", fc.boolean(), (world, granted, dies) => world.progress(granted, dies)),
  },
  {
    weight: 2,
    arbitrary: act("hold", fc.record({ pick: number, hold: fc.boolean() }), (world, of, dies) =>
      world.hold(of, dies),
    ),
  },
  {
    weight: 1,
    arbitrary: act(
      "holdEdge",
      fc.record({ lane: fc.option(lane, { nil: undefined }), hold: fc.boolean() }),
      (world, of, dies) => world.holdEdge(of, dies),
    ),
  },
  { weight: 1, arbitrary: act("reset", fc.constant(null), (world, _, dies) => world.reset(dies)) },
  { weight: 1, arbitrary: act("janitor", fc.constant(null), (world, _, dies) => world.janitor(dies)) },
);
/** At once: two acts of users and of the agent, each through a ground process of its own. */
const two = fc.tuple(one, one).map(([a, b]): Act => {
  const both: Act = async (world) => {
    world.atOnce = true;
    await Promise.all([a(world), b(world)]);
    world.atOnce = false;
  };
  return Object.assign(both, {
    [fc.toStringMethod]: () => `at once: ${fc.stringify(a)}; ${fc.stringify(b)}`,
  });
});
/** Through one ground process, which makes what waits for a lane in one transaction: acts of users and of the agent. */
const many = fc.array(one, { minLength: 2, maxLength: 7 }).map((acts): Act => {
  const all: Act = async (world) => {
    world.atOnce = true;
    await world.inOneProcess(() => Promise.all(acts.map((act) => act(world))));
    world.atOnce = false;
  };
  return Object.assign(all, {
    [fc.toStringMethod]: () => `in one process: ${acts.map((act) => fc.stringify(act)).join("; ")}`,
  });
});
/** Those that change who the agent is stand alone: what an agent knows of itself is no race. */
const alone = fc.oneof(
  act("start", fc.boolean(), (world, newJournal, dies) => world.start(newJournal, dies)),
  act("stale", number, (world, pick) => world.stale(pick)),
  act("minutes", fc.constantFrom(11, 11, 130), async (world, minutes) => {
    world.now += minutes * 60_000;
  }),
);
const history = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: one },
    { weight: 3, arbitrary: two },
    { weight: 3, arbitrary: many },
    { weight: 2, arbitrary: alone },
  ),
  { maxLength: 40 },
);

test(`${RUNS} histories of lanes, claims, lost answers, deaths and epochs`, {
  timeout: RUNS * 1200,
}, async () => {
  await fc.assert(
    fc.asyncProperty(history, async (acts) => {
      const world = new LedgerWorld();
      await world.start(true);
      for (const does of acts) {
        await does(world);
        await world.check();
      }
      await world.drain();
    }),
    { numRuns: RUNS, ...replayed() },
  );
});
