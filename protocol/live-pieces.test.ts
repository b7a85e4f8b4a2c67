import fc from "fast-check";
import { expect, test } from "vitest";
import { type DataPiece, PieceQueue } from "./live-pieces.ts";

test("every byte comes, in the order of its stream, whatever is read in between", () => {
  const piece = fc.record({
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    data: fc.uint8Array({ minLength: 1, maxLength: 2000 }),
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.constant("read" as const)), { maxLength: 200 }), (steps) => {
      const queue = new PieceQueue();
      const sent = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
      const got = { stdin: [] as Uint8Array[], stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
      const read = (): DataPiece | undefined => {
        const one = queue.shift();
        if (one) got[one.stream].push(one.data);
        return one;
      };
      for (const step of steps) {
        if (step === "read") read();
        else {
          queue.push(step);
          sent[step.stream].push(step.data);
        }
      }
      while (read());
      for (const stream of ["stdout", "stderr"] as const) {
        expect(Buffer.concat(got[stream]).equals(Buffer.concat(sent[stream]))).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});

test("single bytes are joined, also of two streams by turns", () => {
  const queue = new PieceQueue();
  for (let n = 0; n < 100_000; n++) {
    queue.push({ stream: n % 2 ? "stdout" : "stderr", data: Uint8Array.of(n) });
  }
  expect(queue.length).toBeLessThan(100);
});

test("what waits of one stream is read as one, up to 64 KiB, and never beyond a piece of the other", () => {
  const queue = new PieceQueue();
  const KiB16 = 16 * 1024;
  for (let n = 0; n < 6; n++) queue.push({ stream: "stdout", data: new Uint8Array(KiB16).fill(n) });
  queue.push({ stream: "stderr", data: Uint8Array.of(9) });
  queue.push({ stream: "stdout", data: Uint8Array.of(7) });
  const read = [queue.shift(), queue.shift(), queue.shift(), queue.shift(), queue.shift()];
  expect(read.map((one) => one && [one.stream, one.data.length])).toEqual([
    ["stdout", 4 * KiB16],
    ["stdout", 2 * KiB16],
    ["stderr", 1],
    ["stdout", 1],
    undefined,
  ]);
});
