import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { buildAei } from "#test/support/fpga/build-aei.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { CHECK_BOUNDS } from "./bounds.ts";
import { checkFile } from "./check-file.ts";
import type { FpgaNode } from "./compare-nodes.ts";

const NODE: FpgaNode = { node: "F1", formats: ["xilinx-bin-be"], idcode: 0x03822093 };
const check = (bytes: Buffer, nodes: FpgaNode[] = [], metadata = "{}") => {
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  };
  return checkFile(Readable.from(pieces(), { objectMode: false }), { key: "a.bin", metadata }, nodes);
};
const outcome = (of: Awaited<ReturnType<typeof check>>, number: number) =>
  of.report.checks.find((result) => result.check === number)?.outcome;

it("a file that a node takes has no message", async () => {
  const checked = await check(buildAei('{"a":1}', buildRawStream()), [NODE], '{"a":1}');
  expect(checked).toMatchObject({ refused: false, report: { format: "xilinx-bin-be" } });
  expect(checked).not.toHaveProperty("message");
  expect([1, 4, 5, 8, 12].map((number) => outcome(checked, number))).toEqual(Array(5).fill("passed"));
});

it("what was not checked is told, and what is wrong refuses", async () => {
  expect(await check(buildRawStream())).toMatchObject({
    refused: false,
    message: "NOT_CHECKED: no FPGA device is known on this edge",
  });
  expect((await check(Buffer.alloc(99, 7), [NODE])).message).toMatch(/^FORMAT_UNKNOWN: /);
  const mismatch = await check(buildRawStream({ idcode: 0x0bad0093 }), [NODE]);
  expect(mismatch).toMatchObject({
    refused: true,
    message: expect.stringMatching(/^DEVICE_MISMATCH: .*0x0bad0093/),
  });
  expect(outcome(mismatch, 8)).toBe("failed");
  expect(mismatch.report.checks[7]?.values).toEqual({ idcode: "0x0bad0093" });
  expect(await check(Buffer.alloc(64), [NODE])).toMatchObject({
    refused: true,
    message: "FORMAT_EMPTY: every byte of the file is 00",
  });
});

it("a file that is too large is not read to its end", async () => {
  const chunk = Buffer.alloc(1 << 20, 7);
  let chunks = 0;
  const endless = function* () {
    for (;;) {
      chunks++;
      yield chunk;
    }
  };
  const checked = await checkFile(
    Readable.from(endless(), { objectMode: false }),
    { key: "a.bin", metadata: "{}" },
    [],
    {
      maxFile: 4 << 20,
    },
  );
  expect(checked.message).toMatch(/^OBJECT_TOO_LARGE: /);
  expect(chunks).toBeLessThan(100);
  expect(CHECK_BOUNDS.maxFile).toBe(512 << 20);
});
