import { randomBytes } from "node:crypto";
import Docker from "dockerode";
import { afterAll, describe, expect, test } from "vitest";
import { BuildComparison } from "#test/support/compare-builds.ts";
import { LABEL_ATTACKS } from "#test/support/hostile-dockerfiles.ts";

const mark = `test-${randomBytes(4).toString("hex")}`;
const comparison = new BuildComparison(new Docker(), mark);

afterAll(() => comparison.clear(), 600_000);

describe("no Dockerfile sets a label of the agent's", { timeout: 600_000 }, () => {
  test.each(LABEL_ATTACKS)("$text", async ({ text, refused }) => {
    const outcome = await comparison.ours(text, { labelled: true });
    if (refused)
      expect(outcome).toEqual({ failed: expect.stringMatching(/reserved|variables|isn't allowed/) });
    else expect(outcome).toMatchObject({ reserved: { "perigee.image": mark } });
    if ("reserved" in outcome) expect(Object.keys(outcome.reserved)).toEqual(["perigee.image"]);
  });
});
