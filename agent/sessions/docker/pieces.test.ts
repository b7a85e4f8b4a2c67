import fc from "fast-check";
import { expect, test } from "vitest";
import { piecesOf } from "./pieces.ts";

async function* cut(data: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    yield data.subarray(at, at + size);
    at += size;
  }
  yield data.subarray(at);
}

test("frames are told apart however the connection cuts them", async () => {
  const frame = fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 }));
  const property = fc.asyncProperty(fc.array(frame), fc.array(fc.nat({ max: 20 })), async (frames, sizes) => {
    const wire = Buffer.concat(
      frames.map(([kind, data]) => {
        const header = Buffer.alloc(8);
        header[0] = kind;
        header.writeUInt32BE(data.length, 4);
        return Buffer.concat([header, data]);
      }),
    );
    const got = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    for await (const { stream, data } of piecesOf(cut(wire, sizes), false)) {
      got[stream] = Buffer.concat([got[stream], data]);
    }
    const of = (wanted: number) =>
      Buffer.concat(frames.flatMap(([kind, data]) => (kind === wanted ? [data] : [])));
    expect(got).toEqual({ stdout: of(1), stderr: of(2) });
  });
  await fc.assert(property);
});

test("a terminal's output is as it is", async () => {
  const got: unknown[] = [];
  for await (const piece of piecesOf(cut(Buffer.from("\x01\x00ab"), [2]), true))
    got.push(piece.data.toString());
  expect(got.join("")).toBe("\x01\x00ab");
});
