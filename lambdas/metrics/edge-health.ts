import type { Ledger } from "../ledger/ledger.ts";
import type { MetricValue } from "./embedded-metrics.ts";

/**
 * How an edge is, in ms: since its last word (absent: it never had contact), and since the acceptance of the
 * next command that waits and of the one that holds the lock, both in the EM's lane.
 */
export type EdgeHealth = { edge: string; silenceMs?: number; waitMs: number; lockMs: number };

/** Reads one edge's state. @param now the ground's clock, ms since 1970 */
export async function edgeHealth(ledger: Ledger, edge: string, now: number): Promise<EdgeHealth> {
  const [{ running, queue }, beat] = await Promise.all([ledger.lane(edge), ledger.lastHeartbeat(edge)]);
  const age = (since: number | undefined) => (since === undefined ? 0 : Math.max(0, now - since));
  return {
    edge,
    ...(beat && { silenceMs: age(beat.at) }),
    waitMs: age(queue[0]?.since),
    lockMs: age(running[0]?.since),
  };
}

/** The worst of all edges: what alarms look at. */
export function healthMetrics(edges: readonly EdgeHealth[], contactMs: number): Record<string, MetricValue> {
  const worst = (of: (edge: EdgeHealth) => number): MetricValue => ({
    value: edges.reduce((most, edge) => Math.max(most, of(edge)), 0) / 1000,
    unit: "Seconds",
  });
  return {
    LongestSilence: worst(({ silenceMs }) => silenceMs ?? 0),
    LongestWait: worst(({ waitMs }) => waitMs),
    LongestLock: worst(({ lockMs }) => lockMs),
    EdgesWithoutContact: {
      value: edges.filter(({ silenceMs }) => silenceMs !== undefined && silenceMs > contactMs).length,
      unit: "Count",
    },
  };
}
