import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { replayed, share } from "#test/support/long-run.ts";
import { type Beginning, makeBeginning } from "./support/histories/job-ground.ts";
import { type Answer, type ObjectAct, ObjectsModel } from "./support/histories/objects-model.ts";
import { ObjectsWorld } from "./support/histories/objects-world.ts";

/** `PERIGEE_REPLAY=<seed>:<path> npm test -- test/dialects/kabuto/object-histories.test.ts` replays a failure. */
const RUNS = share(5_000, 25);

let beginning: Beginning;
beforeAll(async () => {
  beginning = await makeBeginning();
});

// also some that are not there
const pipeline = fc.integer({ min: 1, max: 3 });
const job = fc.integer({ min: 1, max: 9 });
const some = fc.array(job, { maxLength: 5 });
const files = fc.dictionary(fc.constantFrom("a", "b", "d", "d/x"), fc.constantFrom("1", "22", "333"), {
  maxKeys: 3,
  noNullPrototype: true,
});
const command = fc.constantFrom("", "echo 1", "echo 2");
const name = fc.constantFrom("p", "q");
const kind = <K extends string>(text: K) => fc.constant(text);

/** The order of a pipeline's jobs as it is to be: `by` turns what is there into another order, or into something else. */
type Asked = ObjectAct | { kind: "order"; pipeline: number; by: readonly number[] };
const asked: fc.Arbitrary<Asked> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: kind("make pipeline"), name }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("rename"), pipeline, name }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("delete pipeline"), pipeline }) },
  { weight: 6, arbitrary: fc.record({ kind: kind("make job"), pipeline, command, files }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("change job"), pipeline, job, command, files }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("delete job"), pipeline, job }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("remove"), pipeline, jobs: some }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("rearrange"), pipeline, jobs: some }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind("order"),
      pipeline,
      by: fc.array(fc.nat({ max: 9 }), { maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind("submit"), pipeline }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("cancel"), pipeline }) },
);

/** Requests of one step are made at the same time; the others are what the edge does. */
type Step = readonly Asked[] | "claim" | "begin" | "finish";
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(asked) },
  { weight: 4, arbitrary: fc.tuple(asked, asked) },
  { weight: 3, arbitrary: fc.constantFrom("claim" as const, "begin" as const, "finish" as const) },
);

/** As a request: a new order of what is in the pipeline. */
function requestOf(model: ObjectsModel, act: Asked): ObjectAct {
  if (act.kind !== "order") return act;
  const left = [...(model.pipelines.get(act.pipeline)?.jobs ?? [])];
  const jobs = act.by.flatMap((at) => left.splice(at % Math.max(1, left.length), 1));
  return { kind: "rearrange", pipeline: act.pipeline, jobs: [...jobs, ...left] };
}

/** What the edge is given: every job that waits, each pipeline's in order, with the files it had when it was submitted. */
async function claim(world: ObjectsWorld, model: ObjectsModel): Promise<void> {
  const waiting = [...model.pipelines.values()].map(({ jobs }) =>
    jobs.filter((id) => model.jobs.get(id)!.state === "in_queue" && !model.jobs.get(id)!.claimed),
  );
  const claimed = await world.claim();
  expect(new Set(claimed.map(({ job }) => job))).toEqual(new Set(waiting.flat()));
  expect(claimed).toHaveLength(waiting.flat().length);
  for (const { job, files } of claimed) expect(files).toEqual(model.jobs.get(job)!.files);
  model.claim();
}

async function together(
  world: ObjectsWorld,
  model: ObjectsModel,
  acts: readonly ObjectAct[],
): Promise<ObjectsModel> {
  const answers = await Promise.all(acts.map((act) => world.ask(act)));
  const shown = await world.shown();
  const orders = [acts, acts.toReversed()].map((order) => {
    const after = model.copy();
    const told = new Map<ObjectAct, Answer>();
    for (const act of order) told.set(act, after.apply(act));
    return { after, answers: acts.map((act) => told.get(act)), shown: after.shown() };
  });
  const found = orders.find((order) => isEqual([order.answers, order.shown], [answers, shown]));
  expect([orders.map(({ answers, shown }) => ({ answers, shown })), found]).toEqual([
    expect.anything(),
    expect.anything(),
  ]);
  return found!.after;
}

const isEqual = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** So that most of what follows finds something. */
const BEGIN: readonly Step[] = [
  [{ kind: "make pipeline", name: "p" }],
  [{ kind: "make pipeline", name: "q" }],
  [{ kind: "make job", pipeline: 1, command: "echo 1", files: { a: "1" } }],
  [{ kind: "make job", pipeline: 1, command: "", files: {} }],
  [{ kind: "make job", pipeline: 1, command: "echo 2", files: { "d/x": "22" } }],
  [{ kind: "make job", pipeline: 2, command: "", files: { b: "333" } }],
];

async function play(steps: readonly Step[]): Promise<void> {
  const world = new ObjectsWorld(beginning);
  await world.start();
  let model = new ObjectsModel({ pipeline: 1, job: 1 });
  for (const one of [...BEGIN, ...steps]) {
    if (one === "claim") await claim(world, model);
    else if (one === "begin" || one === "finish") {
      await world[one]();
      model[one]();
    } else {
      const acts = one.map((act) => requestOf(model, act));
      if (acts.length === 2 && acts.every((act) => model.isOneStep(act))) {
        model = await together(world, model, acts);
      } else {
        for (const act of acts) expect(await world.ask(act), JSON.stringify(act)).toEqual(model.apply(act));
      }
    }
    expect(await world.shown(), JSON.stringify(one)).toEqual(model.shown());
    expect(world.contents(), JSON.stringify(one)).toEqual(model.contents());
  }
  await world.finish();
  model.finish();
  for (const id of model.pipelines.keys()) {
    await world.ask({ kind: "cancel", pipeline: id });
    expect(await world.ask({ kind: "delete pipeline", pipeline: id })).toHaveProperty("status");
  }
  expect(await world.shown()).toEqual({ pipelines: [], jobs: [] });
  expect(world.places()).toBe(0);
}

test(`${RUNS} histories of pipelines, jobs and attachments`, { timeout: RUNS * 6_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30, size: "max" }), play), {
    numRuns: RUNS,
    interruptAfterTimeLimit: RUNS * 4_000,
    markInterruptAsFailure: true,
    ...replayed(),
  });
});
