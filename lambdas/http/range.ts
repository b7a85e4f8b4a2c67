/** One range of bytes, as `volume.read` takes it: `start` and `end` inclusive, or the last `suffix` bytes. */
export type ByteRange = { start?: number; end?: number; suffix?: number };

const ONE_RANGE = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)$/i;

/**
 * Reads a `Range` header (RFC 9110). Undefined, which means the whole file, for none, another unit, several
 * ranges or anything malformed: the RFC lets a server ignore those.
 */
export function readRange(header: string | undefined): ByteRange | undefined {
  const match = ONE_RANGE.exec(header?.trim() ?? "");
  if (!match) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") return last === "" ? undefined : { suffix: bounded(last) };
  const start = bounded(first);
  if (last === "") return { start };
  const end = bounded(last);
  return end < start ? undefined : { start, end };
}

/** Digits as a number; far beyond any file they are all the same. */
function bounded(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
