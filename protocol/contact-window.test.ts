import fc from "fast-check";
import { expect, test } from "vitest";
import { arrangeWindows, type ContactWindow, contactWindow, windowsAt } from "./contact-window.ts";

const NOW = 1_000;
const window: fc.Arbitrary<ContactWindow> = fc
  .record({
    start: fc.integer({ min: 0, max: 3_000 }),
    length: fc.integer({ min: 1, max: 1_500 }),
    station: fc.constantFrom("Svalbard", "Punta Arenas", "a"),
  })
  .map(({ start, length, station }) => ({ start, end: start + length, station }));
const windows = fc.array(window, { maxLength: 40 });

test("a plan is in order, holds nothing twice and nothing that is over, and loses nothing else", () => {
  fc.assert(
    fc.property(windows, (given) => {
      const plan = arrangeWindows(given, NOW);
      const name = ({ start, end, station }: ContactWindow) => `${start} ${end} ${station}`;
      expect(plan.map(({ start }) => start)).toEqual(
        plan.map(({ start }) => start).toSorted((a, b) => a - b),
      );
      expect(new Set(plan.map(name)).size).toBe(plan.length);
      expect(new Set(plan.map(name))).toEqual(new Set(given.filter(({ end }) => end > NOW).map(name)));
      expect(arrangeWindows(plan.toReversed(), NOW)).toEqual(plan);
    }),
  );
});

test("the present window contains the moment and lasts longest, the next is the first that opens later", () => {
  fc.assert(
    fc.property(windows, fc.integer({ min: 0, max: 4_500 }), (given, now) => {
      const { present, next } = windowsAt(given, now);
      const open = given.filter(({ start, end }) => start <= now && now < end);
      const later = given.filter(({ start }) => start > now);
      expect(present?.end).toBe(open.length ? Math.max(...open.map(({ end }) => end)) : undefined);
      expect(next?.start).toBe(later.length ? Math.min(...later.map(({ start }) => start)) : undefined);
      if (present) expect(open).toContain(present);
    }),
  );
});

test.each([
  { start: 0.5 },
  { start: -1 },
  { start: Number.NaN },
  { station: "" },
  { station: "a".repeat(65) },
  { uplinkBps: 0 },
  { downlinkBps: Number.POSITIVE_INFINITY },
])("a window of foreign data is checked: %j", (wrong) => {
  const right = { start: 1, end: 2, station: "a", uplinkBps: 9600 };
  expect(contactWindow.safeParse(right).success).toBe(true);
  expect(contactWindow.safeParse({ ...right, ...wrong }).success).toBe(false);
});
