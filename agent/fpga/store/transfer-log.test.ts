import { expect, it } from "vitest";
import type { JournalEntry } from "../../operation.ts";
import { TransferLog } from "./transfer-log.ts";

const MiB = 1_048_576;
let notes: { step: string; detail: unknown }[] = [];
const journal = (): JournalEntry => ({
  notes: [...notes],
  note: () => undefined,
  noteSoon: (step, detail) => void notes.push({ step, detail }),
});
const textOf = (log: TransferLog) =>
  log.text
    .split("\n")
    .slice(0, -1)
    .map((row) => row.replace(/^1970-\d\d-\d\dT[\d:.]+Z /, ""));

it("tells what arrives in tenths, pauses, and new beginnings, over all attempts", () => {
  notes = [];
  let now = 0;
  const log = new TransferLog(journal(), 40 * MiB, () => now);
  expect(log.isBegun).toBe(false);
  log.say("begun");
  for (let done = 0; done <= 10; done++) log.arrived(done * MiB);
  now += 90_000;
  log.arrived(11 * MiB);
  const again = new TransferLog(journal(), 40 * MiB, () => now);
  expect(again.isBegun).toBe(true);
  again.arrived(12 * MiB);
  again.arrived(MiB);
  expect(textOf(again)).toEqual([
    "begun",
    "received 4 of 40 MB",
    "received 8 of 40 MB",
    `nothing came for 90 s, then it went on at byte ${10 * MiB}`,
    "received 12 of 40 MB",
    "what was here is not the file: it is received from its beginning",
  ]);
});

it("is bounded, however long a transfer goes on, and has its end", () => {
  notes = [];
  let now = 0;
  const log = new TransferLog(journal(), MiB, () => now);
  for (let n = 0; n < 1000; n++) {
    now += 100_000;
    log.arrived(n);
  }
  expect(notes.length).toBeLessThanOrEqual(101);
  log.say("x".repeat(10_000));
  log.say("y".repeat(10_000));
  log.say("stored");
  expect(log.text.length).toBeLessThanOrEqual(16_384);
  expect(textOf(log).at(-1)).toBe("stored");
});
