import { STDERR_OFFSET } from "#protocol/wire.ts";

/** the longest time stamp: `2025-11-20T12:31:12.123456789+00:00 ` */
export const STAMP_BYTES = 36;
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) /;

export type Stamp = {
  time: string;
  /** of the line, with the blank behind it */
  bytes: number;
  stream?: "stderr";
};

/** The RFC 3339 time that a stored line begins with, and what it tells of the line; undefined when it has none. */
export function stampOf(line: Buffer): Stamp | undefined {
  const [stamp, time] = STAMP.exec(line.toString("latin1", 0, STAMP_BYTES)) ?? [];
  if (stamp === undefined || time === undefined) return undefined;
  if (!time.endsWith(STDERR_OFFSET)) return { time, bytes: stamp.length };
  return { time: `${time.slice(0, -STDERR_OFFSET.length)}Z`, bytes: stamp.length, stream: "stderr" };
}
