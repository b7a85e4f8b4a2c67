import type { LiveWish } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";

/**
 * What the agent is told of live sockets: an edge with pools is asked for spare ones also while nobody uses it.
 * @param pools of the edge; undefined: it never had any
 */
export function withSpares(
  wish: LiveWish | undefined,
  pools: { environments: number } | undefined,
): LiveWish | undefined {
  if (!pools || pools.environments === 0) return wish;
  return { ...wish, sockets: Math.max(wish?.sockets ?? 0, LIVE_LIMITS.spares) };
}
