import type { OutputPiece } from "../pod-sessions.ts";

const HEADER = 8;

/**
 * Output as the engine streams it: as it is from a terminal, else in frames, whose content is given on as it comes. A
 * stream that breaks off ends; how the program fares is asked of the engine.
 */
export async function* piecesOf(
  socket: AsyncIterable<Buffer>,
  terminal: boolean,
): AsyncGenerator<OutputPiece> {
  let header: Buffer = Buffer.alloc(0);
  let left = 0;
  let stream: OutputPiece["stream"] = "stdout";
  for await (const chunk of ending(socket)) {
    if (terminal) {
      yield { stream, data: chunk };
      continue;
    }
    for (let at = 0; at < chunk.length; ) {
      if (left === 0) {
        const rest = chunk.subarray(at, at + HEADER - header.length);
        header = Buffer.concat([header, rest]);
        at += rest.length;
        if (header.length < HEADER) break;
        stream = header[0] === 2 ? "stderr" : "stdout";
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        continue;
      }
      const data = chunk.subarray(at, at + left);
      at += data.length;
      left -= data.length;
      yield { stream, data };
    }
  }
}

async function* ending(socket: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* socket;
  } catch {
    // broken off, or cut by us
  }
}
