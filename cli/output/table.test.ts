import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cutToWidth, displayWidth } from "./display-width.ts";
import { table } from "./table.ts";

describe("display width", () => {
  test.each([
    ["plain", 5],
    ["", 0],
    ["日本", 4],
    ["e\u0301", 1],
    ["한국어", 6],
    ["🚀", 2],
    ["👩‍🚀", 2],
    ["ｆｕｌｌ", 8],
    ["é", 1],
  ])("%s takes %i", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test("what is cut fits, is a beginning of the text, and says that it was cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, width) => {
        const cut = cutToWidth(text, width);
        expect(displayWidth(cut)).toBeLessThanOrEqual(Math.max(width, 1));
        if (cut === text) return;
        expect(cut.endsWith("…")).toBe(true);
        expect(text.startsWith(cut.slice(0, -1))).toBe(true);
      }),
    );
  });
});

describe("tables", () => {
  const headers = ["POD", "IMAGE", "STATE", "AGE"];
  const lines = (text: string) => stripVTControlCharacters(text).split("\n");

  test("free text is cut before names are", () => {
    const rows = [["my-experiment", "python:3.11", "waiting: ImagePullBackOff: ".padEnd(400, "x"), "3s ago"]];
    const [, row] = lines(table(headers, rows, { cut: [2], width: 60 }));
    expect(row).toHaveLength(60);
    expect(row).toMatch(/^my-experiment {2}python:3\.11 {2}waiting: Image.*… {2}3s ago$/);
    const [, whole] = lines(table(headers, rows, { cut: [2] }));
    expect(whole).toContain("x".repeat(300));
  });

  test("fit whatever their cells hold, down to a width in which each column keeps its header", () => {
    const cell = fc.oneof(fc.string({ unit: "grapheme", maxLength: 80 }), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { minLength: 4, maxLength: 4 }), { maxLength: 5 }),
        fc.integer({ min: 40, max: 200 }),
        (rows, width) => {
          const all = lines(table(headers, rows, { cut: [1, 2], right: [3], width }));
          expect(all).toHaveLength(rows.length + 1);
          for (const line of all) expect(displayWidth(line)).toBeLessThanOrEqual(width);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("a megabyte in a cell is no work", () => {
    const [, row] = lines(table(["A", "B"], [["x".repeat(2 ** 20), "y"]], { width: 30 }));
    expect(row).toBe(`${"x".repeat(26)}…  y`);
  });

  test("columns stay under their headers beside wide characters", () => {
    const [head, first, second] = lines(
      table(
        ["NAME", "SIZE"],
        [
          ["日本語", 1],
          ["abc", 22],
        ],
        { right: [1] },
      ),
    );
    expect([head, first, second]).toEqual(["NAME    SIZE", "日本語     1", "abc       22"]);
  });
});
