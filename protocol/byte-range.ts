/** One range of bytes, as `volume.read` takes it: `start` and `end` inclusive, or the last `suffix` bytes. */
export type ByteRange = {
  start?: number | undefined;
  end?: number | undefined;
  suffix?: number | undefined;
};

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

/**
 * The bytes that a range means of `size` (RFC 9110, 14.1.2), both ends inclusive. Undefined means all of them: there is
 * no range, it is malformed, or it asks for the tail of what is empty.
 */
export function resolveRange(
  range: ByteRange | undefined,
  size: number,
): { start: number; end: number } | "unsatisfiable" | undefined {
  if (range === undefined) return undefined;
  const { start, end, suffix } = range;
  if (start === undefined) {
    if (suffix === undefined) return undefined;
    if (suffix === 0) return "unsatisfiable";
    if (size === 0) return undefined;
    return { start: Math.max(0, size - suffix), end: size - 1 };
  }
  if (end !== undefined && end < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return { start, end: Math.min(end ?? size - 1, size - 1) };
}

/** `Content-Range` of a body that is what of `size` bytes follows the first `from`. */
export function restOf(from: number, size: number): string {
  return `bytes ${from}-${size - 1}/${size}`;
}

/** Digits as a number; far beyond any file they are all the same. */
function bounded(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
