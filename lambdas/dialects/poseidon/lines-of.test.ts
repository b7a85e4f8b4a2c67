import fc from "fast-check";
import { expect, test } from "vitest";
import { linesOf } from "./lines-of.ts";

async function* pieces(bytes: Buffer, cuts: number[]) {
  let from = 0;
  for (const cut of cuts.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b)) {
    yield bytes.subarray(from, cut);
    from = cut;
  }
  yield bytes.subarray(from);
}

test("lines are the same however the bytes are cut; only LF ends one", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.stringMatching(/^[^\n]+$/u), { maxLength: 8 }),
      fc.array(fc.nat(1000)),
      async (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const read = await Array.fromAsync(linesOf(pieces(bytes, cuts), 10_000));
        expect(read).toEqual(lines.map((line) => Buffer.from(line).toString()));
      },
    ),
  );
});

test("a line has a bound", async () => {
  await expect(Array.fromAsync(linesOf(pieces(Buffer.alloc(101, "x"), [50]), 100))).rejects.toThrow("100");
});
