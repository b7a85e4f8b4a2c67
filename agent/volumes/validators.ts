import type { BigIntStats } from "node:fs";

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
