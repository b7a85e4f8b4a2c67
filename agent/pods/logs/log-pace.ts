/** Who reads a log as it comes: somebody over a fast link, somebody over a thin one, or nobody. */
export type LogReader = "near" | "far" | "nobody";

/** @param link to the ground, over which the log is read */
export function readerOf({ followed }: { followed: boolean }, link: { thin: boolean }): LogReader {
  if (!followed) return "nobody";
  return link.thin ? "far" : "near";
}

/**
 * How a log is pushed: shares of `flushMs` between two pushes, and for each `fill` of a chunk in a flood. A reader that is near gets 2 MiB/s
 * of a flood at most. Over a thin link a flood stays as slow as one that nobody reads: calls and keystrokes would wait
 * behind it.
 */
export const PACE: Record<LogReader, { push: number; flood: number; fill: number }> = {
  near: { push: 1 / 5, flood: 1 / 5, fill: 7 / 8 },
  far: { push: 1 / 5, flood: 10, fill: 1 / 2 },
  nobody: { push: 1, flood: 10, fill: 1 / 2 },
};
