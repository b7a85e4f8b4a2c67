import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogFrame } from "../pod-runtime.ts";
import { framesOf } from "./logs.ts";

async function frames(text: string | Buffer, cuts: number[] = [], whole = true): Promise<LogFrame[]> {
  const all = Buffer.from(text as string);
  async function* chunks() {
    let at = 0;
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      if (cut <= at || cut >= all.length) continue;
      yield all.subarray(at, cut);
      at = cut;
    }
    yield all.subarray(at);
  }
  const found: LogFrame[] = [];
  for await (const frame of framesOf(chunks(), async () => whole)) found.push(frame);
  return found;
}
const said = (found: LogFrame[]) => found.map(({ time, text, partial }) => [time, `${text}`, partial]);

const T = "2026-01-02T03:04:05";

describe("a log as the API server gives it", () => {
  test("lines with their times, in UTC with nine digits; empty ones too", async () => {
    const text = `${T}.123456789Z one\n${T}.5Z \n${T}Z three  \n2026-01-02T05:04:05.1+02:00 four\n`;
    expect(said(await frames(text))).toEqual([
      [`${T}.123456789Z`, "one", false],
      [`${T}.500000000Z`, "", false],
      [`${T}.000000000Z`, "three  ", false],
      [`${T.replace("03:", "03:")}.100000000Z`, "four", false],
    ]);
  });

  test("what has no time was not said by the payload", async () => {
    const text = `unable to retrieve container logs for containerd://abc\n${T}Z real\nfailed: rotated\n`;
    expect(said(await frames(text)).map(([, line]) => line)).toEqual(["real"]);
  });

  test("a last line without an end counts when the run is over, and else may have been cut", async () => {
    expect(said(await frames(`${T}Z end`))).toEqual([[`${T}.000000000Z`, "end", true]]);
    expect(await frames(`${T}Z en`, [], false)).toEqual([]);
  });

  test("wherever the network cuts it, the frames are the same", async () => {
    const line = fc.tuple(fc.constantFrom("a", "é\t", " ", ""), fc.nat({ max: 40_000 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 6 }),
        fc.array(fc.nat({ max: 120_000 })),
        async (lines, cuts) => {
          const texts = lines.map(([text, times]) => text.repeat(times));
          const log = texts.map((text, i) => `${T}.${i}Z ${text}\n`).join("");
          const cut = await frames(log, cuts);
          const uncut = await frames(log);
          expect(cut.length).toBe(uncut.length);
          expect(
            cut.every((frame, i) => frame.text.equals(uncut[i]!.text) && frame.time === uncut[i]!.time),
          ).toBe(true);
          const joined = cut.map(({ text, partial }) => `${text}${partial ? "" : "\n"}`).join("");
          expect(joined === texts.map((text) => `${text}\n`).join("")).toBe(true);
          for (const { text } of cut) expect(text.length).toBeLessThanOrEqual(16 * 1024);
        },
      ),
      { numRuns: 50 },
    );
  });
});
