import type { Query } from "../../ports/ledger-store.ts";

/** The part of a partition that a query means: `from` (inclusive or not) up to, but without, `to`. */
export type SortKeyRange = { from: string; inclusive: boolean; to?: string };

/** Folds prefix and bounds of a query into one range, so that an index seeks straight to its first row. */
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

/** Order of two strings by their UTF-8 bytes; JavaScript's own `<` goes by UTF-16 units. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The least string above every string that begins with `prefix`; undefined when there is none. */
function successor(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last === 0x10ffff) continue;
    // Surrogates are no characters: U+D7FF is followed by U+E000.
    return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}
