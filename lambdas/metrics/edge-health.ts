import type { Lane } from "../ledger/lane.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { MetricValue } from "./embedded-metrics.ts";

/** How one lane of an edge is, in ms since the acceptance of the next command that waits, and of the oldest that runs. */
export type LaneHealth = { name: string; running: number; queued: number; waitMs: number; runMs: number };

/**
 * How an edge is, in ms: since its last word (absent: it never had contact); since the acceptance of the oldest
 * command that waits for nothing but the edge, or for a lane's only place; and since that of the oldest that holds a
 * lane's only place.
 */
export type EdgeHealth = {
  edge: string;
  silenceMs?: number;
  waitMs: number;
  lockMs: number;
  lanes: LaneHealth[];
};

/** Reads one edge's state, with all of its lanes. @param now the ground's clock, ms since 1970 */
export async function edgeHealth(
  ledger: Pick<Ledger, "edgeLanes" | "lastHeartbeat" | "widths" | "hasNext">,
  edge: string,
  now: number,
): Promise<EdgeHealth> {
  const [all, beat] = await Promise.all([ledger.edgeLanes(edge), ledger.lastHeartbeat(edge)]);
  const age = (since: number | undefined) => (since === undefined ? 0 : Math.max(0, now - since));
  const oldest = (entries: Lane["running"]) =>
    entries.reduce((most, { since }) => Math.max(most, age(since)), 0);
  const widths = ledger.widths();
  // of a dialect that is off nothing is ever taken
  const width = (lane: LaneHealth) => widths[lane.name] ?? Number.POSITIVE_INFINITY;
  const lanes = [...all].map(([name, { running, queue }]) => ({
    name,
    running: running.length,
    queued: queue.length,
    waitMs: oldest(queue),
    runMs: oldest(running),
  }));
  return {
    edge,
    ...(beat && { silenceMs: age(beat.at) }),
    // In a wide lane that is full, or where the free places are left to others, waiting is expected.
    waitMs: most(
      lanes.filter((lane) => width(lane) === 1 || ledger.hasNext(lane.name, all.get(lane.name)!)),
      ({ waitMs }) => waitMs,
    ),
    lockMs: most(
      lanes.filter((lane) => width(lane) === 1),
      ({ runMs }) => runMs,
    ),
    lanes,
  };
}

/** The worst of all edges: what alarms look at. */
export function healthMetrics(edges: readonly EdgeHealth[], contactMs: number): Record<string, MetricValue> {
  return {
    LongestSilence: seconds(most(edges, ({ silenceMs }) => silenceMs ?? 0)),
    LongestWait: seconds(most(edges, ({ waitMs }) => waitMs)),
    LongestLock: seconds(most(edges, ({ lockMs }) => lockMs)),
    EdgesWithoutContact: {
      value: edges.filter(({ silenceMs }) => silenceMs !== undefined && silenceMs > contactMs).length,
      unit: "Count",
    },
  };
}

/** Of each lane by its name, over all edges: how many commands run and wait, and the oldest of both. */
export function laneMetrics(edges: readonly EdgeHealth[]): Map<string, Record<string, MetricValue>> {
  const byLane = Map.groupBy(
    edges.flatMap(({ lanes }) => lanes),
    ({ name }) => name,
  );
  return new Map(
    [...byLane].map(([name, lanes]) => [
      name,
      {
        CommandsRunning: { value: sum(lanes, ({ running }) => running), unit: "Count" },
        CommandsWaiting: { value: sum(lanes, ({ queued }) => queued), unit: "Count" },
        LongestWait: seconds(most(lanes, ({ waitMs }) => waitMs)),
        LongestRun: seconds(most(lanes, ({ runMs }) => runMs)),
      },
    ]),
  );
}

function most<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((worst, one) => Math.max(worst, of(one)), 0);
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function seconds(ms: number): MetricValue {
  return { value: ms / 1000, unit: "Seconds" };
}
