import type { BigIntStats } from "node:fs";
import { PerigeeError } from "#protocol/errors.ts";
import type { InputOf } from "#protocol/operations.ts";

export type AskedRange = NonNullable<InputOf<"volume.read">["range"]>;

/**
 * The bytes of a file that are sent (RFC 9110, 14), both ends inclusive; undefined means all of it, and so does a
 * range that is malformed or asks for the tail of an empty file.
 * @throws PerigeeError RANGE_NOT_SATISFIABLE, data {total}
 */
export function resolveRange(
  range: AskedRange | undefined,
  total: number,
): { start: number; end: number } | undefined {
  if (range === undefined) return undefined;
  const { start, end, suffix } = range;
  if (start === undefined) {
    if (suffix === undefined) return undefined;
    if (suffix === 0) throw unsatisfiable(total);
    if (total === 0) return undefined;
    return { start: Math.max(0, total - suffix), end: total - 1 };
  }
  if (end !== undefined && end < start) return undefined;
  if (start >= total) throw unsatisfiable(total);
  return { start, end: Math.min(end ?? total - 1, total - 1) };
}

/** Is `If-Range` true (RFC 9110, 13.1.5)? It is when absent, and otherwise only for an equal, strong validator. */
export function ifRangeHolds(ifRange: string | undefined, etag: string, modifiedMs: number): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return ifRange === etag;
  const date = Date.parse(ifRange);
  // a date has a resolution of one second, so it is a strong validator only for a file unchanged for a while
  return date === Math.floor(modifiedMs / 1000) * 1000 && Date.now() - modifiedMs > 2000;
}

/** A strong validator (ETag) of a file's content: any write changes its ctime. */
export function etagOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `"${[ino, size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join("-")}"`;
}

function unsatisfiable(total: number): PerigeeError {
  return new PerigeeError("RANGE_NOT_SATISFIABLE", `The file has ${total} bytes`, { data: { total } });
}
