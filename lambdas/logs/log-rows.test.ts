import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { STDERR_OFFSET } from "#protocol/wire.ts";
import { LogRows } from "./log-rows.ts";

const T = "2026-01-02T03:04:05.123456789Z";

function read(text: string, options: { from?: number; limit?: number; ended?: boolean } = {}) {
  const { from = 0, limit = 100, ended = false } = options;
  const rows = new LogRows(from, limit);
  rows.push(from, Buffer.from(text).subarray(from));
  return rows.page(ended);
}

describe("LogRows", () => {
  test("a line is a row, and its cursor is the byte offset behind it", () => {
    expect(read(`${T} one\n${T} zwö\nno time\n`)).toEqual({
      rows: [
        { cursor: 35, time: T, text: "one" },
        { cursor: 71, time: T, text: "zwö" },
        { cursor: 79, text: "no time" },
      ],
      next: 79,
      dropped: false,
      complete: false,
    });
  });

  test("a row says that it was written to standard error, with its time as any other's", () => {
    const { rows } = read(`${T} out\n${T.replace("Z", STDERR_OFFSET)} err\n2026-01-02T03:04:05+00:00 else\n`);
    expect(rows).toEqual([
      { cursor: 35, time: T, text: "out" },
      { cursor: 75, time: T, stream: "stderr", text: "err" },
      { cursor: 106, time: "2026-01-02T03:04:05+00:00", text: "else" },
    ]);
  });

  test("an end without a line feed is a row once the log has ended", () => {
    expect(read(`${T} a\nrest`)).toMatchObject({ rows: [{ text: "a" }], next: 33 });
    expect(read(`${T} a\nrest`, { ended: true })).toMatchObject({
      rows: [{ text: "a" }, { text: "rest", cursor: 37 }],
      next: 37,
      complete: true,
    });
  });

  test("a page that is full is not the last one", () => {
    expect(read("a\nb\nc\n", { limit: 2, ended: true })).toMatchObject({
      rows: [{ text: "a" }, { text: "b" }],
      next: 4,
      complete: false,
    });
  });

  test("where the oldest was dropped it says so, and leaves out a row without its beginning", () => {
    const rows = new LogRows(10, 100);
    rows.push(50, Buffer.from(`of a line\n${T} whole\n`));
    expect(rows.page(false)).toMatchObject({ rows: [{ text: "whole", cursor: 97 }], dropped: true });
  });

  test("however it is cut and paged, the same rows come with the same cursors", async () => {
    const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replaceAll("\n", ""));
    await fc.assert(
      fc.property(
        fc.array(line),
        fc.array(fc.nat(200)),
        fc.integer({ min: 1, max: 5 }),
        (lines, cuts, limit) => {
          const bytes = Buffer.from(lines.map((text) => `${T} ${text}\n`).join(""));
          const whole = new LogRows(0, 1e6);
          whole.push(0, bytes);
          const expected = whole.page(true).rows;
          expect(expected.map(({ text }) => text)).toEqual(lines);
          const paged = [];
          for (let next = 0; ; ) {
            const rows = new LogRows(next, limit);
            const at = [...new Set([next, ...cuts.filter((cut) => cut > next && cut < bytes.length)])];
            at.sort((a, b) => a - b);
            for (const [i, from] of at.entries()) rows.push(from, bytes.subarray(from, at[i + 1]));
            const page = rows.page(true);
            paged.push(...page.rows);
            next = page.next;
            if (page.complete) break;
          }
          expect(paged).toEqual(expected);
        },
      ),
    );
  });
});
