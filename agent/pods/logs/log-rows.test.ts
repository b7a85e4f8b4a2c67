import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { STDERR_OFFSET } from "#protocol/wire.ts";
import { CUT } from "../../files/cut-bytes.ts";
import type { LogFrame } from "../pod-runtime.ts";
import { type Carried, LogRows } from "./log-rows.ts";

const TIME = "2025-11-20T12:00:00.000000000Z";

function frame(text: string | Buffer, partial: boolean, stream: LogFrame["stream"] = "stdout"): LogFrame {
  return { stream, time: TIME, text: Buffer.from(text), partial };
}

/** Rows without their times. */
function rowsOf(frames: LogFrame[], limit?: number): string[] {
  const rows = new LogRows({}, { limit });
  const all = Buffer.concat([...frames.map((one) => rows.push(one)), rows.end()]).toString();
  return all
    .split("\n")
    .slice(0, -1)
    .map((row) => row.slice(row.indexOf(" ") + 1));
}

describe("LogRows", () => {
  test.each<[name: string, frames: LogFrame[], rows: string[]]>([
    ["a line", [frame("one", false)], ["one"]],
    ["an empty line", [frame("", false)], [""]],
    ["pieces of one line", [frame("one ", true), frame("line", false)], ["one line"]],
    [
      "a line that ends with its piece",
      [frame("one", true), frame("", false), frame("", false)],
      ["one", ""],
    ],
    [
      "a line of each stream, piece by piece",
      [frame("o", true), frame("e", true, "stderr"), frame("ut", false), frame("rr", false, "stderr")],
      ["out", "err"],
    ],
    ["a line that never ends", [frame("one", false), frame("two", true)], ["one", "two"]],
    [
      "as many bytes as a row may have",
      [frame("a".repeat(4), true), frame("b".repeat(4), false)],
      ["aaaabbbb"],
    ],
    [
      "a byte more",
      [frame("a".repeat(24), true), frame("b", false), frame("next", false)],
      [`aaaaaaaa${CUT}`, "next"],
    ],
    [
      "a flood without a line end",
      Array.from({ length: 9 }, () => frame("a".repeat(9), true)),
      [`aaaaaaaa${CUT}`],
    ],
    ["a character at the cut", [frame(`aaaaaa€${"b".repeat(20)}`, false)], [`aaaaaa${CUT}`]],
    [
      "a character in two pieces",
      [frame(Buffer.from("a€").subarray(0, 2), true), frame(Buffer.from("a€").subarray(2), false)],
      ["a€"],
    ],
    ["escape sequences and NULs", [frame("\0\x1b[1mb\r", false)], ["\0\x1b[1mb\r"]],
  ])("%s", (_, frames, rows) => {
    expect(rowsOf(frames, 23)).toEqual(rows);
  });

  test("the time of a row tells that it was written to standard error, also when it goes on over another one", () => {
    const first = new LogRows();
    first.push(frame("o", true));
    first.push(frame("e", true, "stderr"));
    const next = new LogRows(first.carried);
    const rows = [next.push(frame("rr", false, "stderr")), next.push(frame("ut", false)), next.end()];
    expect(Buffer.concat(rows).toString()).toBe(
      "2025-11-20T12:00:00.000000000-00:00 err\n2025-11-20T12:00:00.000000000Z out\n",
    );
  });

  test("each line is one row, wherever it is cut, over what another one carried", () => {
    const line = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => text.replaceAll("\n", ""));
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 9 }), (lines, size) => {
        let carried: Carried | undefined;
        const out: Buffer[] = [];
        for (const [n, text] of lines.entries()) {
          const bytes = Buffer.from(text);
          for (let at = 0; at === 0 || at < bytes.length; at += size) {
            const rows = new LogRows(JSON.parse(JSON.stringify(carried ?? {})) as Carried);
            const partial = at + size < bytes.length;
            out.push(rows.push(frame(bytes.subarray(at, at + size), partial, n % 2 ? "stdout" : "stderr")));
            carried = rows.carried;
          }
        }
        expect(carried).toBeUndefined();
        const stampOf = (n: number) => (n % 2 ? TIME : TIME.replace("Z", STDERR_OFFSET));
        const text = lines.map((one, n) => `${stampOf(n)} ${one}\n`).join("");
        expect(Buffer.concat(out).toString()).toBe(text);
      }),
    );
  });
});
