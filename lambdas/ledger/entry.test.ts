import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import { decodeEntry, type EndReason, type Entry, encodeEntry, groupKey } from "./entry.ts";

/** Times up to the year 2100. */
const time = fc.integer({ min: 0, max: Date.UTC(2100, 0) });
const DAY_MS = 24 * 3600_000;
const claim = fc.record({
  epoch: fc.integer({ min: 0, max: 36 ** 4 - 1 }),
  turn: fc.integer({ min: 0, max: 36 ** 4 - 1 }),
  by: fc.integer({ min: 0, max: 36 ** 4 - 1 }),
});
const base = {
  id: fc.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
  user: fc.stringMatching(/^[a-z0-9]{1,32}$/),
  operation: fc.constantFrom(...OPERATION_NAMES),
  since: time,
};
const waiting = fc
  .record(
    {
      ...base,
      group: fc.string().map(groupKey),
      priority: fc.integer({ min: 0, max: 9 }),
      held: fc.constant(true as const),
      lives: fc.integer({ min: -DAY_MS, max: LIMITS.expiresMs }),
    },
    { requiredKeys: ["id", "user", "operation", "since"] },
  )
  .map(
    ({ lives, ...entry }): Entry => (lives === undefined ? entry : { ...entry, until: entry.since + lives }),
  );
const running = fc.record({ ...base, claim });
const reserved = fc
  .record({
    ...base,
    bytes: fc.integer({ min: 0, max: 2 ** 31 }),
    lives: fc.integer({ min: 0, max: DAY_MS }),
  })
  .map(({ lives, ...entry }): Entry => ({ ...entry, until: entry.since + lives }));
const ending = fc.record({
  ...base,
  claim,
  end: fc.constantFrom<EndReason>("interrupted", "unsupported", "expired", "reset"),
});

test("whatever an entry holds comes back, and takes at most 106 bytes", () => {
  fc.assert(
    fc.property(fc.oneof(waiting, running, reserved), (entry: Entry) => {
      const text = encodeEntry(entry);
      expect(decodeEntry(text)).toEqual(entry);
      expect(Buffer.byteLength(JSON.stringify(text))).toBeLessThanOrEqual(106);
    }),
  );
});

test("one that only waits to be ended comes back, too", () => {
  fc.assert(
    fc.property(ending, (entry: Entry) => {
      expect(decodeEntry(encodeEntry(entry))).toEqual(entry);
    }),
  );
});

test("fields of a newer version are left out", () => {
  expect(decodeEntry("01 ann nodes.status 0 zfuture b10")).toEqual({
    id: "01",
    user: "ann",
    operation: "nodes.status",
    since: 0,
    bytes: 36,
  });
});
