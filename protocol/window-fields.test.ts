import { expect, test } from "vitest";
import { LIMITS } from "./limits.ts";
import { readWindow } from "./window-fields.ts";

const NOW = Date.parse("2026-03-01T00:00:00Z");
const right = { start: "2026-03-29T00:30:00Z", end: "2026-03-29T02:30:00+01:00", station: "Svalbard" };

test("times carry their zone, so a plan is the same wherever it is read, also when clocks change", () => {
  expect(readWindow(right, NOW)).toEqual({
    start: Date.UTC(2026, 2, 29, 0, 30),
    end: Date.UTC(2026, 2, 29, 1, 30),
    station: "Svalbard",
  });
});

test("rates are numbers, or text that is one; an empty one is not known", () => {
  const rates = { uplink_bps: "9600", downlink_bps: 2_000_000 };
  expect(readWindow({ ...right, ...rates }, NOW)).toMatchObject({ uplinkBps: 9600, downlinkBps: 2_000_000 });
  expect(readWindow({ ...right, uplink_bps: "", downlink_bps: null }, NOW)).not.toHaveProperty("uplinkBps");
});

test("a window may have begun, and may be over", () => {
  const past = { ...right, start: "2020-01-01T00:00:00Z", end: "2020-01-01T00:09:00Z" };
  expect(readWindow(past, NOW).end).toBe(Date.UTC(2020, 0, 1, 0, 9));
});

test.each([
  [{ start: undefined }, "start: is missing"],
  [{ start: "2026-03-29T00:30:00" }, "start: must be a time with its zone, such as 2026-05-22T12:10:00Z"],
  [{ start: "2026-02-30T00:00:00Z" }, "start: must be a time with its zone, such as 2026-05-22T12:10:00Z"],
  [{ start: "2026-03-28T24:00:00Z" }, "start: must be a time with its zone, such as 2026-05-22T12:10:00Z"],
  [{ start: "2026-03-29T00:30Z" }, "start: must be a time with its zone, such as 2026-05-22T12:10:00Z"],
  [{ start: 1774744200000 }, "start: must be a time with its zone, such as 2026-05-22T12:10:00Z"],
  [{ start: "1960-01-01T00:00:00Z" }, "start: must be after 1970"],
  [{ end: "2026-03-29T00:30:00Z" }, "end: must be after start"],
  [{ start: "2027-12-01T00:00:00Z", end: "2027-12-01T00:10:00Z" }, "start: must be within 400 days from now"],
  [{ end: "2027-12-01T00:10:00Z" }, "end: must be within 400 days of start"],
  [{ station: " " }, "station: must be a name of 1 to 64 characters that can be printed"],
  [{ station: "a\u202eb" }, "station: must be a name of 1 to 64 characters that can be printed"],
  [{ station: 7 }, "station: must be a name of 1 to 64 characters that can be printed"],
  [{ uplink_bps: "fast" }, `uplink_bps: must be a rate in bit/s, over 0 and at most ${LIMITS.windowBps}`],
  [{ uplink_bps: -1 }, `uplink_bps: must be a rate in bit/s, over 0 and at most ${LIMITS.windowBps}`],
  [{ downlink_bps: "1e99" }, `downlink_bps: must be a rate in bit/s, over 0 and at most ${LIMITS.windowBps}`],
  [{ rate: 1 }, "rate: no such field (start, end, station, uplink_bps, downlink_bps)"],
])("%j is refused by its field and rule", (wrong, message) => {
  expect(() => readWindow({ ...right, ...wrong }, NOW)).toThrow(message);
});
