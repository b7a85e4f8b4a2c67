import { expect, test } from "vitest";
import { Frames, framed } from "./frames.ts";

test("packets come out as they went in, however the stream is cut", () => {
  const packets = [Buffer.alloc(0), Buffer.from("a"), Buffer.alloc(1500, 1), Buffer.from("end")];
  const stream = Buffer.concat(packets.map(framed));
  for (const size of [1, 2, 3, 700, stream.length]) {
    const frames = new Frames();
    const out: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) out.push(...frames.add(stream.subarray(at, at + size)));
    expect(Buffer.concat(out.map(framed)).equals(stream)).toBe(true);
    expect(out.length).toBe(packets.length);
  }
});
