import type { Readable } from "node:stream";
import type Docker from "dockerode";
import type { LogFrame } from "../pod-runtime.ts";

const HEADER = 8;
/** The engine cuts messages at 16 KiB; anything far larger is not its framing. */
const MAX_FRAME = 1024 * 1024;
/** The engine takes a line of more bytes in pieces of this size. */
const PIECE = 16 * 1024;
const NEWLINE = 0x0a;
const SPACE = 0x20;

/** Cuts the engine's multiplexed log stream (with timestamps, no terminal) into frames. */
export async function* framesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<LogFrame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= HEADER) {
      const size = rest.readUInt32BE(at + 4);
      if (size > MAX_FRAME) throw new Error("the engine's log stream is out of step");
      if (rest.length - at < HEADER + size) break;
      const frame = frameOf(rest[at] ?? 1, rest.subarray(at + HEADER, at + HEADER + size));
      if (frame) yield frame;
      at += HEADER + size;
    }
    rest = rest.subarray(at);
  }
}

function frameOf(stream: number, payload: Buffer): LogFrame | undefined {
  const space = payload.indexOf(SPACE);
  if (space < 0) return undefined;
  const ends = payload.at(-1) === NEWLINE;
  // The last piece of a long line comes without its line end from some log drivers; it alone is shorter.
  const whole = ends || payload.length - space - 1 < PIECE;
  return {
    stream: stream === 2 ? "stderr" : "stdout",
    time: payload.toString("latin1", 0, space),
    // A copy: a slice would hold the whole read buffer alive.
    text: Buffer.from(payload.subarray(space + 1, ends ? payload.length - 1 : payload.length)),
    partial: !whole,
  };
}

/** A container's log so far, as a stream: without `follow` dockerode would read all of it into memory. */
export function openLogStream(
  docker: Docker,
  id: string,
  options: Record<string, unknown>,
): Promise<Readable> {
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      {
        path: `/containers/${id}/logs?`,
        method: "GET",
        isStream: true,
        statusCodes: { 200: true, 101: true, 404: "no such container", 500: "server error" },
        options,
      },
      (error: unknown, stream: unknown) => (error ? reject(error) : resolve(stream as Readable)),
    );
  });
}
