import type { LiveWish } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { AgentApiDeps } from "./deps.ts";

/**
 * What the answers to claims and heartbeats say of pools and live sockets. Read in the turn in which a claim reads its
 * lanes, and so in the same request.
 */
export async function wishesFor(
  { pools, wanted, liveUrl }: Pick<AgentApiDeps, "pools" | "wanted" | "liveUrl">,
  edge: string,
): Promise<{ pools?: number; live?: LiveWish }> {
  const [counts, wish] = await Promise.all([pools.counts(edge), wanted?.wanted(edge)]);
  const live = wanted && withSpares(wish, counts, liveUrl);
  return { ...(counts && { pools: counts.counter }), ...(live && { live }) };
}

/**
 * What the agent is told of live sockets: an edge with pools is asked for spare ones also while nobody uses it.
 * @param pools of the edge; undefined: it never had any
 * @param url of the relay, where it is another than the ground's: a Lambda cannot take the sockets
 */
export function withSpares(
  wish: LiveWish | undefined,
  pools: { environments: number } | undefined,
  url?: string,
): LiveWish | undefined {
  if (!pools || pools.environments === 0) return wish;
  return {
    ...(url !== undefined && { url }),
    ...wish,
    sockets: Math.max(wish?.sockets ?? 0, LIVE_LIMITS.spares),
  };
}
