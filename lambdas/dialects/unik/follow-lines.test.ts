import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { followLines } from "./follow-lines.ts";

const FIRST = "getting logs for x...\n";
const line = fc.string({ unit: fc.constantFrom("a", "é", "\t", " ") });
const cuts = fc.array(fc.nat({ max: 400 }));

test("whatever the pieces and silences, the lines come whole, once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(line), line, cuts, fc.array(fc.boolean()), async (lines, rest, at, silent) => {
      const text = Buffer.from(lines.map((one) => `${one}\n`).join("") + rest);
      const places = [...new Set(at.filter((cut) => cut < text.length))].sort((a, b) => a - b);
      const pieces = [...places, text.length].map((end, i) => text.subarray(places[i - 1] ?? 0, end));
      async function* source() {
        for (const [n, piece] of pieces.entries()) {
          if (silent[n]) await sleep(3);
          yield piece;
        }
      }
      const sent: Buffer[] = [];
      for await (const piece of followLines(source(), { first: FIRST, silenceMs: 1 })) sent.push(piece);
      // whole lines, or the one byte
      for (const piece of sent) expect(piece.equals(Buffer.from([0])) || piece.at(-1) === 10).toBe(true);
      const plain = Buffer.concat(sent).toString().replaceAll("\0", "");
      const whole = text.toString();
      expect(plain).toBe(FIRST + whole + (whole === "" || whole.endsWith("\n") ? "" : "\n"));
    }),
    { numRuns: 60 },
  );
});

test("silence is told, and who leaves ends the source", async () => {
  let ended = false;
  async function* source() {
    try {
      yield Buffer.from("half a li");
      await sleep(60_000, undefined, { signal: stop.signal }).catch(() => {});
    } finally {
      ended = true;
    }
  }
  const stop = new AbortController();
  const sent: string[] = [];
  for await (const piece of followLines(source(), { first: FIRST, silenceMs: 5 })) {
    sent.push(piece.toString());
    if (sent.length < 3) continue;
    stop.abort();
    break;
  }
  expect(sent).toEqual([FIRST, "\0", "\0"]);
  expect(ended).toBe(true);
});

test("pieces of a line that does not end are silence too", async () => {
  async function* source() {
    // each comes before a silence is over
    for (let n = 0; n < 3000; n++) {
      yield Buffer.from(".");
      await sleep(1);
    }
  }
  const sent: string[] = [];
  for await (const piece of followLines(source(), { first: FIRST, silenceMs: 200 })) {
    sent.push(piece.toString());
    if (sent.length === 3) break;
  }
  expect(sent).toEqual([FIRST, "\0", "\0"]);
});
