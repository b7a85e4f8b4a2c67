import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import Docker from "dockerode";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { BuildComparison, type Outcome } from "#test/support/compare-builds.ts";
import { DIFFERENT, SAME } from "#test/support/dockerfile-corpus.ts";
import { GENERATED } from "#test/support/dockerfile-generator.ts";
import { share } from "#test/support/long-run.ts";

const comparison = new BuildComparison(new Docker(), `test-${randomBytes(4).toString("hex")}`);

afterAll(() => comparison.clear(), 600_000);

/** Both failed, or both came to the same config. */
function agree(engines: Outcome, ours: Outcome): boolean {
  if ("failed" in engines || "failed" in ours) return "failed" in engines && "failed" in ours;
  return isDeepStrictEqual(engines.config, ours.config);
}

/** Refused for a reason of the table of differences. */
function isKnown(ours: Outcome): boolean {
  return "failed" in ours && DIFFERENT.some((row) => row.ours !== "built" && row.ours.test(ours.failed));
}

/** What the engine and we make of each text, where that differs. */
async function differences(texts: readonly string[]) {
  const left = [...texts];
  const found: { text: string; engines: Outcome; ours: Outcome }[] = [];
  const work = async () => {
    for (let text = left.shift(); text !== undefined; text = left.shift()) {
      const engines = await comparison.engines(text);
      const ours = await comparison.ours(text);
      if (!agree(engines, ours)) found.push({ text, engines, ours });
    }
  };
  await Promise.all([work(), work(), work()]);
  return found;
}

describe("a Dockerfile means what the engine's builder makes of it", { timeout: 600_000 }, () => {
  test("in a corpus of all instructions", async () => {
    expect(await differences(SAME)).toEqual([]);
  });

  test("in generated files", async () => {
    const texts = fc.sample(GENERATED, { numRuns: share(80, 24), seed: 8 });
    const found = await differences(texts);
    expect(found.filter(({ ours }) => !isKnown(ours))).toEqual([]);
  });

  test.each(DIFFERENT)("but for $text: $why", async ({ text, ours }) => {
    const [theirs, outcome] = [await comparison.engines(text), await comparison.ours(text)];
    // else it has no place in this table, a failure told in words excepted
    expect(agree(theirs, outcome)).toBe("failed" in theirs && ours !== "built");
    if (ours === "built") expect(outcome).toHaveProperty("config");
    else expect(outcome).toEqual({ failed: expect.stringMatching(ours) });
  });
});
