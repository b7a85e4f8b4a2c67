import type { Query } from "../../ports/ledger-store.ts";

/** A range of sort keys: from `from` (inclusive or not) to `to` (exclusive). */
export type SortKeyRange = { from: string; inclusive: boolean; to?: string };

/** Combines prefix and bounds of a query into one range, so that an index seeks directly to its first row. */
export function sortKeyRange(query: Pick<Query, "prefix" | "after" | "before">): SortKeyRange {
  const prefix = query.prefix ?? "";
  const range: SortKeyRange = { from: prefix, inclusive: true, to: successor(prefix) };
  if (query.after !== undefined && compareBytes(query.after, prefix) >= 0) {
    range.from = query.after;
    range.inclusive = false;
  }
  if (query.before !== undefined && (range.to === undefined || compareBytes(query.before, range.to) < 0)) {
    range.to = query.before;
  }
  return range;
}

/** Compares two strings by their UTF-8 bytes; JavaScript's `<` compares UTF-16 units. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The smallest string above all strings that begin with `prefix`; undefined when there is none. */
function successor(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last === 0x10ffff) continue;
    // Surrogates are not characters: U+E000 follows U+D7FF.
    return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}
