import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { barLine } from "./bar.ts";
import { table } from "./table.ts";
import { bytes, duration, safe, time } from "./text.ts";

describe("text", () => {
  test("nothing from elsewhere moves the cursor, colours or turns the text round", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(safe(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
    expect(table(["A"], [["x\u001b[31m\ny"]]).split("\n")).toHaveLength(2);
  });

  test("sizes, durations, times", () => {
    expect([bytes(0), bytes("167"), bytes(1536), bytes(undefined), bytes("?")]).toEqual([
      "0 B",
      "167 B",
      "1.5 KiB",
      "-",
      "?",
    ]);
    expect([duration(999), duration(61_000), duration(3_600_000), duration(5_460_000)]).toEqual([
      "1s",
      "1m1s",
      "1h",
      "1h31m",
    ]);
    expect([time("2025-11-20T12:31:12.345Z"), time(0), time(null), time("x")]).toEqual([
      "2025-11-20 12:31:12Z",
      "1970-01-01 00:00:00Z",
      "-",
      "x",
    ]);
  });

  test("a bar is never wider than the terminal", () => {
    const state = { label: "uploading", done: 700, total: 1000, unit: "bytes", elapsedMs: 5000 } as const;
    const drawn = `[${"#".repeat(21)}${"-".repeat(9)}]`;
    expect(barLine(state, 80)).toBe(`uploading  ${drawn}  70%  700 B of 1000 B  140 B/s  2s`);
    for (let width = 1; width < 100; width++) expect(barLine(state, width).length).toBeLessThanOrEqual(width);
    expect(barLine({ label: "building", done: 0, unit: "steps", elapsedMs: 5000 }, 80)).toBe("building  5s");
    expect(barLine({ ...state, done: 2000 }, 80)).toContain("100%");
  });
});
