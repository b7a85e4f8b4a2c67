import type { OutputPiece } from "../pod-sessions.ts";

/** The stdout of a program; what it says beside it goes to `onStderr`. */
export async function* stdoutOf(
  output: AsyncIterable<OutputPiece>,
  onStderr: (data: Buffer) => void = () => undefined,
): AsyncGenerator<Buffer> {
  for await (const { stream, data } of output) {
    if (stream === "stdout") yield data;
    else onStderr(data);
  }
}
