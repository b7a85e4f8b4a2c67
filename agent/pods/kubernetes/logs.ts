import type { LogFrame } from "../pod-runtime.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;
/** Longer lines come in pieces of this size, wherever the network cut them: a second read gives the same ones. */
const PIECE = 16 * 1024;
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;
/** The longest time stamp, with its blank. */
const STAMP_MAX = 37;

/**
 * Cuts a log as the API server gives it (with timestamps) into frames. It does not say which stream a line was
 * written to: all are `stdout`. What has no time stamp is not the payload's but told by the node, and left out.
 * @param isWhole asked at the end when it ends within a line: was that all? Else the piece is left out, for it
 * may have been cut anywhere
 */
export async function* framesOf(
  stream: AsyncIterable<Buffer>,
  isWhole: () => Promise<boolean>,
): AsyncGenerator<LogFrame> {
  let rest: Buffer = Buffer.alloc(0);
  /** of the line that `rest` goes on with; undefined: a line begins */
  let time: string | undefined;
  let skipping = false;
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (;;) {
      const end = rest.indexOf(NEWLINE, at);
      if (skipping) {
        if (end < 0) at = rest.length;
        else {
          at = end + 1;
          skipping = false;
        }
        if (end < 0) break;
        continue;
      }
      if (time === undefined) {
        const space = rest.indexOf(SPACE, at);
        const known =
          space >= 0 && (end < 0 || space < end) ? stampOf(rest.toString("latin1", at, space)) : undefined;
        if (known !== undefined) {
          time = known;
          at = space + 1;
        } else if (end >= 0 || rest.length - at > STAMP_MAX) skipping = true;
        else break;
        continue;
      }
      const stop = end < 0 ? rest.length : end;
      if (stop - at > PIECE) {
        let cut = at + PIECE;
        // Not within a UTF-8 character, at most 3 bytes back to its head.
        for (let back = 0; back < 3 && ((rest[cut] ?? 0) & 0xc0) === 0x80; back++) cut -= 1;
        yield frame(time, rest.subarray(at, cut), true);
        at = cut;
        continue;
      }
      if (end < 0) break;
      yield frame(time, rest.subarray(at, end), false);
      at = end + 1;
      time = undefined;
    }
    rest = rest.subarray(at);
  }
  if (time !== undefined && rest.length > 0 && (await isWhole())) yield frame(time, rest, true);
}

function frame(time: string, text: Buffer, partial: boolean): LogFrame {
  // A copy: a slice would hold the whole read buffer alive.
  return { stream: "stdout", time, text: Buffer.from(text), partial };
}

/** The time with nine digits, in UTC; undefined when it is none. */
function stampOf(text: string): string | undefined {
  const match = STAMP.exec(text);
  if (!match) return undefined;
  const [, fraction = "", zone] = match;
  const whole = zone === "Z" ? text.slice(0, 19) : new Date(Date.parse(text)).toISOString().slice(0, 19);
  return `${whole}.${fraction.padEnd(9, "0")}Z`;
}
