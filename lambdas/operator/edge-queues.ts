import { contactView } from "../edges/edge-view.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Lane } from "../ledger/lane.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { StoredWindows } from "../windows/stored-windows.ts";
import { planView } from "../windows/window-view.ts";

export type EdgeQueuesParts = {
  ledger: Ledger;
  windows: Pick<StoredWindows, "plan">;
  /** the ground's clock, ms since 1970 */
  now: () => number;
};

/** What an operator sees of an edge: how it stands, and how much runs and waits. */
export async function operatorEdgeView(parts: EdgeQueuesParts, edge: string) {
  const [lanes, beat, agent, contact, plan] = await Promise.all([
    parts.ledger.edgeLanes(edge),
    parts.ledger.lastHeartbeat(edge),
    parts.ledger.edgeAgent(edge),
    contactView(parts, edge),
    parts.windows.plan(edge),
  ]);
  const widths = parts.ledger.widths();
  const all = [...lanes];
  const heldSince = all.find(([, { held }]) => held?.edge !== undefined)?.[1].held?.edge;
  return {
    edge,
    contact,
    held_since: iso(heldSince),
    agent: agent?.version ?? null,
    free_bytes: beat?.free ?? null,
    nodes: beat?.nodes ?? [],
    windows: plan ? planView(plan, parts.now()) : null,
    lanes: all.map(([name, lane]) => ({
      name,
      width: widths[name] ?? null,
      running: lane.running.length,
      queued: lane.queue.length,
      receiving: lane.reserved.length,
      // by itself: what holds the edge is told above
      held_since: iso(lane.held?.lane),
    })),
  };
}

/** Who runs and waits in each lane, in its order; of no command what is in it. */
export async function queuesView({ ledger }: Pick<EdgeQueuesParts, "ledger">, edge: string) {
  const lanes = [...(await ledger.edgeLanes(edge))];
  return lanes.flatMap(([name, lane]) => entriesOf(lane).map((entry) => ({ lane: name, ...entry })));
}

function entriesOf({ running, queue, reserved }: Lane) {
  const told = (state: string) => (entry: Entry) => ({
    command_id: entry.id,
    user: entry.user,
    operation: entry.operation,
    state,
    since: iso(entry.since),
    held: entry.held === true,
  });
  return [...running.map(told("running")), ...queue.map(told("queued")), ...reserved.map(told("staging"))];
}

function iso(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
