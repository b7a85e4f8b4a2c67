import { describe, expect, it } from "vitest";
import { formatMinute } from "./format-minute.ts";

describe("formatMinute", () => {
  it.each([
    [Date.parse("2025-11-20T12:31:00.000Z"), "2025-11-20-12-31"],
    [Date.parse("2025-11-20T12:31:59.999Z"), "2025-11-20-12-31"],
    [-0.5, "1969-12-31-23-59"],
    [0, "1970-01-01-00-00"],
    [9e15, "9999-12-31-23-59"],
    [-9e15, "0000-01-01-00-00"],
  ])("writes %d as %s", (ms, text) => {
    expect(formatMinute(ms)).toBe(text);
    expect(formatMinute(ms)).toBe(text);
  });
});
