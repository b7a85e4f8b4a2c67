import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scheduledTime } from "./scheduled-time.ts";

describe("scheduledTime", () => {
  test.each([
    ["2025-05-22T12:10:00+02:00", "2025-05-22T10:10:00.000Z"],
    ["2025-05-22T12:10:00Z", "2025-05-22T12:10:00.000Z"],
    ["2025-05-22t12:10:00z", "2025-05-22T12:10:00.000Z"],
    ["2025-05-22 12:10:00+02:00", "2025-05-22T10:10:00.000Z"],
    ["2025-05-22T12:10Z", "2025-05-22T12:10:00.000Z"],
    ["2025-05-22T12:10:00.123456+00:00", "2025-05-22T12:10:00.123Z"],
    ["2025-05-22T12:10:00,5Z", "2025-05-22T12:10:00.500Z"],
    ["2025-05-22T12:10:00-0330", "2025-05-22T15:40:00.000Z"],
    ["2025-05-22T12:10:00+02", "2025-05-22T10:10:00.000Z"],
    ["20250522T121000Z", "2025-05-22T12:10:00.000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    [" 2025-05-22T12:10:00Z ", "2025-05-22T12:10:00.000Z"],
    // what is left of an unescaped + in a url-encoded form
    ["2025-05-22T12:10:00 02:00", "2025-05-22T10:10:00.000Z"],
    ["0025-01-01T00:00:00Z", "0025-01-01T00:00:00.000Z"],
  ])("%s", (text, iso) => {
    expect(new Date(scheduledTime("scheduled_time", text)).toISOString()).toBe(iso);
  });

  test.each([
    "",
    "now",
    "tomorrow",
    "2025-05-22",
    "2025-05-22T12:10:00",
    "2025-05-22T12:10:00 ",
    "12:10:00Z",
    "1716372600",
    "2025-02-29T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-00-01T00:00:00Z",
    "2025-01-32T00:00:00Z",
    "2025-01-01T24:00:00Z",
    "2025-01-01T00:60:00Z",
    "2025-01-01T00:00:60Z",
    "2025-01-01T00:00:00+24:00",
    "2025-01-01T00:00:00+02:60",
    "2025-01-01T00:00:00+2",
    "2025-01-01T00:00:00CET",
    "2025-01-01T00:00:00.Z",
    "25-01-01T00:00:00Z",
    "2025-1-1T00:00:00Z",
    "Thu, 22 May 2025 12:10:00 GMT",
    "2025-05-22T12:10:00Z[UTC]",
    "２025-05-22T12:10:00Z",
  ])("refuses %j", (text) => {
    expect(() => scheduledTime("scheduled_time", text)).toThrow(
      expect.objectContaining({
        code: "INVALID_PARAMETERS",
        message: expect.stringContaining("scheduled_time"),
      }),
    );
  });

  test("any moment in any zone is that moment", () => {
    const moment = fc.date({ min: new Date("1970-01-01"), max: new Date("9990-01-01"), noInvalidDate: true });
    fc.assert(
      fc.property(moment, fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 }), (date, offset) => {
        const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
        const minutes = String(Math.abs(offset) % 60).padStart(2, "0");
        const hours = String(Math.floor(Math.abs(offset) / 60)).padStart(2, "0");
        const text = `${local}${offset < 0 ? "-" : "+"}${hours}:${minutes}`;
        expect(scheduledTime("scheduled_time", text)).toBe(date.getTime());
      }),
    );
  });
});
