import { pino } from "pino";
import { expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundSession } from "../ground/ground-session.ts";
import { type Report, Reporter } from "./reporter.ts";

const OUTCOME: Report["outcome"] = {
  state: "failed",
  failure: { code: "BUILD_FAILED", message: "it did" },
};

/** A reporter to a ground that refuses what `refuses` says; its pauses end when `pauses` lets them. */
function reporterTo(refuses: (outcome: Report["outcome"]) => boolean) {
  const sent: Report["outcome"][] = [];
  const acknowledged: string[] = [];
  const pauses: (() => void)[] = [];
  const link = { pause: () => new Promise<void>((resolve) => pauses.push(resolve)) };
  const session = {
    ground: { link },
    report: async ({ outcome }: Pick<Report, "outcome">) => {
      sent.push(outcome);
      if (refuses(outcome)) throw new PerigeeError("INVALID_PARAMETERS", "outcome: no");
      return false;
    },
  } as unknown as GroundSession;
  const reporter = new Reporter(
    {
      session,
      log: pino({ level: "silent" }),
      acknowledged: ({ id }) => acknowledged.push(id),
      failed: (error) => expect.unreachable(String(error)),
    },
    new AbortController().signal,
  );
  return { reporter, sent, acknowledged, pauses };
}

test("an outcome that the ground refuses is told as INTERNAL_ERROR", async () => {
  const { reporter, sent, acknowledged } = reporterTo((outcome) => outcome === OUTCOME);
  reporter.add({ id: "c1", user: "ann", operation: "pod.run", outcome: OUTCOME });
  await reporter.idle();
  expect(sent.at(-1)).toMatchObject({ state: "failed", failure: { code: "INTERNAL_ERROR" } });
  expect(acknowledged).toEqual(["c1"]);
});

test("where the ground refuses that too, it pauses before it asks again", async () => {
  let refusing = true;
  const { reporter, sent, acknowledged, pauses } = reporterTo(() => refusing);
  reporter.add({ id: "c1", user: "ann", operation: "pod.run", outcome: OUTCOME });
  await expect.poll(() => pauses).toHaveLength(1);
  expect(sent).toHaveLength(2);
  refusing = false;
  pauses[0]!();
  await reporter.idle();
  expect(acknowledged).toEqual(["c1"]);
});
