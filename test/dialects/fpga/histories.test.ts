import fc from "fast-check";
import { test } from "vitest";
import { replayed, share } from "#test/support/long-run.ts";
import { type Act, ImageModel } from "./support/histories/image-model.ts";
import { CONTAINERS, VERSIONS } from "./support/histories/image-world.ts";

/** `PERIGEE_REPLAY=<seed>:<path> npm test -- test/dialects/fpga/histories.test.ts` replays a failure. */
const RUNS = share(3_000, 12);

const number = fc.nat({ max: 100 });
const version = fc.nat({ max: VERSIONS.length - 1 });
const fate = fc.constantFrom(
  "ok" as const,
  "ok" as const,
  "ok" as const,
  "lost" as const,
  "answer lost" as const,
);
const kind = <K extends string>(text: K) => fc.constant(text);
const container = fc.constantFrom(...CONTAINERS);

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kind("put"), version }) },
  { weight: 8, arbitrary: fc.record({ kind: kind("register"), beside: fc.option(version) }) },
  { weight: 5, arbitrary: fc.record({ kind: kind("delete"), image: number }) },
  { weight: 5, arbitrary: fc.record({ kind: kind("associate"), image: number, container }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("dissociate"), image: number, container }) },
  // one of them wins
  { weight: 2, arbitrary: fc.record({ kind: kind("delete and associate"), image: number, container }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("run"), container }) },
  { weight: 8, arbitrary: fc.record({ kind: kind("work"), beside: fc.option(version) }) },
  { weight: 8, arbitrary: fc.record({ kind: kind("claim"), fate }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: kind("carry out"), isFull: fc.constantFrom(false, false, true) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: kind("report"), fate }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("agent dies") }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("file is lost"), pick: number }) },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: kind("ground fails"),
      which: fc.constantFrom("api" as const, "worker" as const),
      how: fc.constantFrom("dies before" as const, "dies after" as const, "answer lost" as const),
      transactions: fc.constantFrom(1, 1, 2, 3, 5),
    }),
  },
);

/** A registration whose pin must stay, as its transaction landed. */
const EXAMPLES: [Act[]][] = [
  [
    [
      { kind: "put", version: 0 },
      { kind: "ground fails", which: "api", how: "answer lost", transactions: 1 },
      { kind: "register", beside: null },
    ],
  ],
];

test(`${RUNS} histories of images, associations and runs`, { timeout: RUNS * 12_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 50, size: "max" }), async (acts) => {
      const model = new ImageModel();
      await model.begin();
      for (const one of acts) await model.happen(one);
      await model.expectEnd();
    }),
    // a history that waits for ever takes long to shrink: its seed and path are told in time
    {
      numRuns: RUNS,
      examples: EXAMPLES,
      interruptAfterTimeLimit: RUNS * 9_000,
      markInterruptAsFailure: true,
      ...replayed(),
    },
  );
});
