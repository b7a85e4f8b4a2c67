import type { DialectContext } from "../dialect.ts";
import { queryOf } from "./query.ts";

const MOST_S = 25;

/** How long the answer may wait for something new, in ms: what `wait` says in seconds, at most 25. */
export function waitMs(c: DialectContext): number {
  const seconds = queryOf(c).get("wait") ?? "0";
  return /^\d{1,6}$/.test(seconds) ? Math.min(MOST_S, Number(seconds)) * 1000 : 0;
}
