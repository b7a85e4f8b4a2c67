import { expect, test } from "vitest";
import type { Deed } from "../api/types.ts";
import { DEEDS, type DeedPage, type Deeds, withNewest, withOlder } from "./deeds.ts";

const deed = (n: number): Deed => ({ n, at: "", who: "olga", by: "cli", verb: "user add", about: [] });
/** The page before `end`, as the ground answers. */
const page = (end: number): DeedPage => {
  const data = Array.from({ length: Math.min(end, DEEDS) }, (_, at) => deed(end - 1 - at));
  return { data, ...(end > DEEDS && { next: String(end - DEEDS) }) };
};
const span = ({ list, older }: Deeds) => [list[0]?.n, list.at(-1)?.n, list.length, older];

test("new ones come before those that are known, back to as many as were asked for", () => {
  const first = withNewest(undefined, page(150));
  expect(span(first)).toEqual([149, 50, 100, "50"]);
  expect(withNewest(first, page(150))).toBe(first);
  const all = withOlder(first, page(50));
  expect(span(all)).toEqual([149, 0, 150, undefined]);
  let known = all;
  for (let end = 200; end <= 1000; end += 50) {
    known = withNewest(known, page(end));
    expect(known.list.map(({ n }) => n)).toEqual(known.list.map((_, at) => end - 1 - at));
    expect(known.list.length).toBeLessThanOrEqual(3 * DEEDS);
    const last = known.list.at(-1)!.n;
    expect(known.older).toBe(last === 0 ? undefined : String(last));
  }
});

test("where some between them and those that are known were missed, only the newest are left, and older ones there are", () => {
  const known = withNewest(undefined, page(20));
  expect(span(known)).toEqual([19, 0, 20, undefined]);
  expect(span(withNewest(known, page(120)))).toEqual([119, 20, 100, "20"]);
  expect(span(withNewest(known, page(119)))).toEqual([118, 0, 119, undefined]);
});
