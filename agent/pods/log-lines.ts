import { LIMITS } from "#protocol/limits.ts";
import type { LogFrame } from "./pod-runtime.ts";

/**
 * A frame as lines of a pushed log: `<RFC 3339 with nanoseconds> <text>\n`, the text cut into pieces of at most `limit`
 * bytes, none in the middle of a UTF-8 character. Nothing is dropped.
 */
export function linesOf(frame: LogFrame, limit: number = LIMITS.logLineBytes): Buffer {
  const stamp = Buffer.from(`${frame.time} `, "latin1");
  const parts: Buffer[] = [];
  let at = 0;
  do {
    const end = cut(frame.text, at, limit);
    parts.push(stamp, frame.text.subarray(at, end), NEWLINE);
    at = end;
  } while (at < frame.text.length);
  return Buffer.concat(parts);
}

const NEWLINE = Buffer.from("\n");

function cut(text: Buffer, from: number, limit: number): number {
  const end = Math.min(from + limit, text.length);
  if (end === text.length) return end;
  // A continuation byte (10xxxxxx) at the cut: go back to its head, at most 3 bytes.
  for (let back = end; back > end - 4 && back > from; back--) {
    if (((text[back] ?? 0) & 0xc0) !== 0x80) return back;
  }
  return end;
}
