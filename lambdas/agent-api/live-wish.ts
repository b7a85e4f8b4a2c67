import type { LiveWish } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";

/**
 * What the agent is told of live sockets: an edge with pools is asked for spare ones also while nobody uses it.
 * @param pools counter of the edge's wanted pools; undefined: it has none
 */
export function withSpares(wish: LiveWish | undefined, pools: number | undefined): LiveWish | undefined {
  if (pools === undefined) return wish;
  return { ...wish, sockets: Math.max(wish?.sockets ?? 0, LIVE_LIMITS.spares) };
}
