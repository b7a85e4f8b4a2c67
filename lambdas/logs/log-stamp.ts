/** the longest time stamp: `2025-11-20T12:31:12.123456789+00:00 ` */
export const STAMP_BYTES = 36;
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) /;

/** The RFC 3339 time that a stored line begins with, and the bytes that it takes; undefined when it has none. */
export function stampOf(line: Buffer): { time: string; bytes: number } | undefined {
  const [stamp, time] = STAMP.exec(line.toString("latin1", 0, STAMP_BYTES)) ?? [];
  return stamp === undefined || time === undefined ? undefined : { time, bytes: stamp.length };
}
