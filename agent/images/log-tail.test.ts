import { describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { LogTail } from "./log-tail.ts";

const tailOf = (...texts: string[]) => {
  const tail = new LogTail();
  for (const text of texts) tail.add(text);
  return tail.lines();
};

describe("a log tail", () => {
  test("keeps the last 100 lines, each with its end", () => {
    const lines = tailOf(Array.from({ length: 250 }, (_, i) => `line ${i}`).join("\n"));
    expect(lines).toHaveLength(100);
    expect(lines[0]).toBe("line 150\n");
    expect(lines.at(-1)).toBe("line 249\n");
  });

  test("shows of a line that was drawn over what stood there last", () => {
    expect(tailOf("10%\r50%\r100%\r", "\r\r", "a\r\nb")).toEqual(["100%\n", "a\n", "b\n"]);
  });

  test("cuts long lines between characters", () => {
    for (const line of ["x".repeat(10_000), "é".repeat(10_000), `x${"😀".repeat(5000)}`]) {
      const [kept] = tailOf(line);
      expect(Buffer.byteLength(kept!)).toBeLessThanOrEqual(LIMITS.logTailLineBytes);
      expect(Buffer.byteLength(kept!)).toBeGreaterThan(LIMITS.logTailLineBytes - 5);
      expect(line.startsWith(kept!.slice(0, -1))).toBe(true);
    }
  });

  test("does not choke on a line of carriage returns", () => {
    expect(tailOf(`${"\r".repeat(1_000_000)}x${"\r".repeat(1_000_000)}`)).toEqual(["x\n"]);
  });
});
