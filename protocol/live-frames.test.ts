import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LiveChannel } from "./live-channel.ts";
import { controlFrames, creditFrame, dataFrames, FRAMES, FrameReader } from "./live-frames.ts";
import { LIVE_LIMITS } from "./live-limits.ts";

const bytes = fc.uint8Array({ maxLength: 50_000 });

describe("frames", () => {
  it("bring data and control messages of any size, whatever is between the parts", () => {
    fc.assert(
      fc.property(
        bytes,
        fc.jsonValue(),
        fc.string({ maxLength: 100_000, unit: "binary" }),
        (data, small, text) => {
          const message = { small, text: text.toWellFormed() };
          const reader = new FrameReader();
          const control = controlFrames(message);
          const between = [...dataFrames("stderr", data)];
          expect(Math.max(...[...control, ...between].map(({ length }) => length))).toBeLessThanOrEqual(
            16_385,
          );
          const got: number[] = [];
          let whole: unknown;
          for (let n = 0; n < Math.max(control.length, between.length); n++) {
            for (const frame of [control[n], between[n]]) {
              const read = frame && reader.read(frame);
              if (read?.kind === "control") whole = read.message;
              if (read?.kind === "stderr") got.push(...read.data);
            }
          }
          expect(whole).toEqual(JSON.parse(JSON.stringify(message)));
          expect(Buffer.from(got).equals(Buffer.from(data))).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("carry 1 MiB of parameters", () => {
    const message = { type: "open", text: "x".repeat(1024 * 1024) };
    const reader = new FrameReader();
    const read = controlFrames(message).map((frame) => reader.read(frame));
    expect(read.at(-1)).toEqual({ kind: "control", message });
    expect(read.slice(0, -1).every((one) => one === undefined)).toBe(true);
  });

  it("are refused where they are none, and no bytes make a reader fail otherwise", () => {
    for (const hostile of [
      [],
      [9, 1],
      [255],
      [FRAMES.stdin],
      [FRAMES.part],
      [FRAMES.part, 0x7b],
      [FRAMES.credit, 1],
      [FRAMES.credit, 0, 0, 0, 1, 0],
      [FRAMES.control],
      [FRAMES.control, 0x7b],
      [FRAMES.control, 0xff],
      new Uint8Array(LIVE_LIMITS.frameBytes + 2).fill(1),
    ]) {
      expect(() => new FrameReader().read(Uint8Array.from(hostile))).toThrow(
        expect.objectContaining({ name: "FrameError" }),
      );
    }
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (frames) => {
        const reader = new FrameReader();
        for (const frame of frames) {
          try {
            reader.read(frame);
          } catch (error) {
            expect((error as Error).name).toBe("FrameError");
            return;
          }
        }
      }),
    );
  });

  it("bound a control message over all its parts", () => {
    const reader = new FrameReader();
    const part = new Uint8Array(1 + LIVE_LIMITS.frameBytes);
    part[0] = FRAMES.part;
    let read = 0;
    expect(() => {
      for (; read <= LIVE_LIMITS.controlBytes; read += LIVE_LIMITS.frameBytes) reader.read(part);
    }).toThrow("too long");
    expect(read).toBe(LIVE_LIMITS.controlBytes);
    expect(() => controlFrames("x".repeat(LIVE_LIMITS.controlBytes))).toThrow(RangeError);
  });
});

/** Two ends; what one sends reaches the other in its turn. */
function pair(window = { a: LIVE_LIMITS.creditBytes as number, b: LIVE_LIMITS.creditBytes as number }) {
  const broken: string[] = [];
  const control: unknown[] = [];
  const end = (other: () => LiveChannel, name: "a" | "b") =>
    new LiveChannel({
      send: (frame) => other().receive(Uint8Array.from(frame)),
      control: (message) => void control.push(message),
      window: () => window[name],
      accepts: name === "a" ? ["stdout", "stderr"] : ["stdin"],
      broken: (error) => void broken.push(error.message),
    });
  const a: LiveChannel = end(() => b, "a");
  const b: LiveChannel = end(() => a, "b");
  return { a, b, broken, control, window };
}

describe("LiveChannel", () => {
  it("gives every byte in order, however it was cut, and never holds more than its window", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 30 }), async (pieces) => {
        const { a, b, broken } = pair();
        const sent = (async () => {
          for (const piece of pieces) await b.sendData("stdout", piece);
          a.endReceiving();
        })();
        const got: Uint8Array[] = [];
        for await (const { data } of a.pieces()) {
          got.push(data);
          expect(b.sentBytes - got.reduce((sum, one) => sum + one.length, 0)).toBeLessThanOrEqual(
            LIVE_LIMITS.creditBytes,
          );
        }
        await sent;
        expect(Buffer.concat(got).equals(Buffer.concat(pieces))).toBe(true);
        expect(broken).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  it("holds its sender back while nobody reads, and lets go of it when it closes", async () => {
    const { a, b } = pair();
    const sending = b.sendData("stdout", new Uint8Array(1024 * 1024));
    await new Promise((resolve) => setImmediate(resolve));
    expect(b.sentBytes).toBe(LIVE_LIMITS.firstCreditBytes);
    const reader = a.pieces();
    const sizes: number[] = [];
    for (let n = 0; n < 4; n++) sizes.push((await reader.next()).value!.data.length);
    await new Promise((resolve) => setImmediate(resolve));
    // the last that was read is consumed when the next is asked for
    const consumed = sizes.slice(0, -1).reduce((sum, size) => sum + size, 0);
    expect(b.sentBytes - consumed).toBeLessThanOrEqual(LIVE_LIMITS.creditBytes);
    b.close();
    await sending;
    expect(b.sentBytes).toBeLessThan(1024 * 1024);
  });

  it("lets go of its sender when the other side takes nothing any more, and what waits is still read", async () => {
    const { a, b } = pair();
    const sending = b.sendData("stdout", new Uint8Array(1024 * 1024));
    await new Promise((resolve) => setImmediate(resolve));
    b.endSending();
    await sending;
    await b.sendData("stdout", new Uint8Array(10));
    a.endReceiving();
    let read = 0;
    for await (const { data } of a.pieces()) read += data.length;
    expect([read, b.sentBytes]).toEqual([LIVE_LIMITS.firstCreditBytes, LIVE_LIMITS.firstCreditBytes]);
  });

  it("follows a window that shrinks", async () => {
    const { a, b, window } = pair();
    const sending = b.sendData("stdout", new Uint8Array(2 * 1024 * 1024));
    const reader = a.pieces();
    let read = 0;
    const take = async (bytes: number) => {
      for (const until = read + bytes; read < until; ) {
        const { value } = await reader.next();
        read += value!.data.length;
      }
      await new Promise((resolve) => setImmediate(resolve));
    };
    await take(512 * 1024);
    expect(b.sentBytes - read).toBeGreaterThan(128 * 1024);
    window.a = LIVE_LIMITS.sharedCreditBytes;
    await take(512 * 1024);
    expect(b.sentBytes - read).toBeLessThanOrEqual(LIVE_LIMITS.sharedCreditBytes);
    window.a = LIVE_LIMITS.creditBytes;
    await take(512 * 1024);
    expect(b.sentBytes - read).toBeGreaterThan(128 * 1024);
    b.close();
    await sending;
  });

  it.each([
    [
      "more data than was allowed",
      (a: LiveChannel) => {
        for (let n = 0; n < 3; n++)
          for (const frame of dataFrames("stdout", new Uint8Array(16_384))) a.receive(frame);
      },
    ],
    [
      "data in the wrong direction",
      (a: LiveChannel) => {
        for (const frame of dataFrames("stdin", new Uint8Array(1))) a.receive(frame);
      },
    ],
    ["more credit than there can be", (a: LiveChannel) => a.receive(creditFrame(0xffffffff))],
  ])("breaks at %s, once, and reads nothing after it", (message, hostile) => {
    const { a, broken, control } = pair();
    hostile(a);
    for (const frame of controlFrames({ type: "ready" })) a.receive(frame);
    a.receive(new Uint8Array());
    expect(broken).toEqual([message]);
    expect(control).toEqual([]);
  });
});
