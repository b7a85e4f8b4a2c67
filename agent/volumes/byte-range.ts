import type { BigIntStats } from "node:fs";
import { PerigeeError } from "#protocol/errors.ts";
import type { InputOf } from "#protocol/operations.ts";

export type AskedRange = NonNullable<InputOf<"volume.read">["range"]>;

/**
 * What of a file is sent (RFC 9110, 14): undefined is all of it, both ends are inclusive. A range that is
 * malformed, or asks for the tail of an empty file, means all.
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

/** Does `If-Range` hold (RFC 9110, 13.1.5)? Absent it does. Only strong validators do. */
export function ifRangeHolds(ifRange: string | undefined, etag: string, modifiedMs: number): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return ifRange === etag;
  const date = Date.parse(ifRange);
  // a date is strong only if the file was still for a while: its resolution is one second
  return date === Math.floor(modifiedMs / 1000) * 1000 && Date.now() - modifiedMs > 2000;
}

/** Strong validator of a file's content: any write changes its ctime. */
export function etagOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `"${[ino, size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join("-")}"`;
}

function unsatisfiable(total: number): PerigeeError {
  return new PerigeeError("RANGE_NOT_SATISFIABLE", `The file has ${total} bytes`, { data: { total } });
}
