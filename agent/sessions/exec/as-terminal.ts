import type { OutputPiece } from "../pod-sessions.ts";

/** Newlines as a terminal writes them: `\r\n`. Pure. */
export function asTerminal({ stream, data }: OutputPiece): OutputPiece {
  let newlines = 0;
  for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) newlines++;
  if (newlines === 0) return { stream, data };
  const written = Buffer.allocUnsafe(data.length + newlines);
  let to = 0;
  for (const byte of data) {
    if (byte === 10) written[to++] = 13;
    written[to++] = byte;
  }
  return { stream, data: written };
}
