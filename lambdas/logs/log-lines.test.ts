import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogLines, tailStart } from "./log-lines.ts";

const stamp = (second: number) => `2025-11-20T12:31:${String(second).padStart(2, "0")}.123456789Z`;

/** Feeds `text` in pieces of `size` bytes. */
function run(text: string, size: number, options: ConstructorParameters<typeof LogLines>[0] = {}): string {
  const lines = new LogLines(options);
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size)
    out.push(Buffer.from(lines.push(bytes.subarray(at, at + size))));
  return String(Buffer.concat([...out, lines.end()]));
}

describe("LogLines", () => {
  const text = `${stamp(1)} one\n${stamp(2)} \n${stamp(3)} three three\nno time\n${stamp(4)} ü\n${stamp(5)} cut`;

  it.each([1, 2, 7, 36, 37, 1000])("strips times, fed %d bytes at a time", (size) => {
    expect(run(text, size)).toBe("one\n\nthree three\nno time\nü\ncut");
    expect(run(text, size, { timestamps: true })).toBe(text);
  });

  it.each([1, 5, 1000])("leaves out what is older than since, fed %d bytes at a time", (size) => {
    const since = Date.parse(stamp(3));
    expect(run(text, size, { since })).toBe("three three\nno time\nü\ncut");
    expect(run(text, size, { since: Date.parse(stamp(59)) })).toBe("");
    expect(run(text, size, { since: 0 })).toBe("one\n\nthree three\nno time\nü\ncut");
  });

  it("takes times with an offset, and strips one time only", () => {
    expect(run(`2025-11-20T12:31:12+02:00 ${stamp(1)} text\n`, 3)).toBe(`${stamp(1)} text\n`);
  });

  it("gives any lines back, however they are cut", () => {
    const line = fc.string({ unit: "grapheme", maxLength: 80 }).map((text) => text.replaceAll("\n", ""));
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 100 }), (lines, size) => {
        const stored = lines.map((line) => `${stamp(7)} ${line}\n`).join("");
        expect(run(stored, size)).toBe(lines.map((line) => `${line}\n`).join(""));
      }),
    );
  });

  it("ends an unfinished line at a gap, and drops one that was cut at its front", () => {
    const lines = new LogLines();
    const out: string[] = [];
    const take = (bytes: Buffer) => out.push(String(bytes));
    take(lines.push(Buffer.from(`${stamp(1)} begins`)));
    const next = Buffer.from(`the end of another\n${stamp(2)} whole\n`);
    take(lines.gap(next));
    take(lines.push(next));
    expect(out.join("")).toBe("begins\nwhole\n");
  });
});

describe("tailStart", () => {
  it("finds the last lines as splitting does", () => {
    const text = fc
      .array(fc.constantFrom("a", "bb", "\n", "\n\n"), { maxLength: 12 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 8 }), (text, lines) => {
        const all = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
        const found = tailStart(Buffer.from(text), lines, true);
        const start = "start" in found ? found.start : 0;
        expect(text.slice(start)).toBe(all.slice(-lines).join(""));
      }),
    );
  });
});
