import type { Inventory, Reported } from "../inventory/inventory.ts";
import { operationsOf } from "../ledger/edge-agent.ts";
import { FIRST_LANE } from "../ledger/first-lane.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { StoredRunnerPools } from "../runners/stored-runner-pools.ts";
import type { StoredWindows } from "../windows/stored-windows.ts";
import { planView } from "../windows/window-view.ts";

export type EdgeViewParts = {
  ledger: Ledger;
  inventory: Inventory;
  pools: Pick<StoredRunnerPools, "pools">;
  windows: Pick<StoredWindows, "plan">;
  /** bytes per user over volumes, images and staging */
  quota: number;
  /** the ground's clock, ms since 1970 */
  now: () => number;
};

/** When the edge was last heard. `age` in seconds. */
export async function contactView({ ledger, now }: Pick<EdgeViewParts, "ledger" | "now">, edge: string) {
  const [beat, inContact] = await Promise.all([ledger.lastHeartbeat(edge), ledger.inContact(edge)]);
  if (!beat) return { state: "never" as const, last: null, age: null };
  return {
    state: inContact ? ("ok" as const) : ("lost" as const),
    last: new Date(beat.at).toISOString(),
    age: Math.max(0, Math.round((now() - beat.at) / 1000)),
  };
}

const oldestOf = (entries: readonly { since: number }[]): string | null =>
  entries.length === 0 ? null : new Date(Math.min(...entries.map(({ since }) => since))).toISOString();

/** What the ground knows of an edge, as one of its users sees it. */
export async function edgeView(parts: EdgeViewParts, user: string, edge: string) {
  const [beat, lanes, agent, pods, images, volumes, contact, pools, plan] = await Promise.all([
    parts.ledger.lastHeartbeat(edge),
    parts.ledger.edgeLanes(edge),
    parts.ledger.edgeAgent(edge),
    parts.inventory.pods(edge, user),
    parts.inventory.images(edge, user),
    parts.inventory.volumes(edge, user),
    contactView(parts, edge),
    parts.pools.pools({ user, edge }),
    parts.windows.plan(edge),
  ]);
  const ageOf = (at: number) => Math.max(0, Math.round((parts.now() - at) / 1000));
  const withAge = <T extends { created: number }>(list: Reported<T> | undefined) =>
    list
      ? {
          age: ageOf(list.at),
          truncated: list.truncated,
          items: list.items.map((one) => ({ ...one, created: new Date(one.created).toISOString() })),
        }
      : null;
  const widths = parts.ledger.widths();
  const first = lanes.get(FIRST_LANE);
  const heldSince = [...lanes.values()].find(({ held }) => held?.edge !== undefined)?.held?.edge;
  const holder = first?.running[0];
  const own = holder?.user === user ? { operation: holder.operation, command_id: holder.id } : {};
  return {
    edge,
    contact,
    windows: plan ? planView(plan, parts.now()) : null,
    held: heldSince === undefined ? null : { since: new Date(heldSince).toISOString() },
    busy: holder ? { since: new Date(holder.since).toISOString(), ...own } : null,
    queued: first?.queue.length ?? 0,
    lanes: [...lanes].map(([name, { running, queue, held }]) => ({
      name,
      width: widths[name] ?? null,
      running: running.length,
      queued: queue.length,
      held: queue.filter((entry) => entry.held).length,
      held_since: held ? new Date(held.edge ?? held.lane ?? 0).toISOString() : null,
      since: oldestOf(running),
      waiting_since: oldestOf(queue),
    })),
    agent: agent
      ? {
          version: agent.version,
          operations: [...operationsOf(agent)],
          features: agent.features ?? [],
        }
      : null,
    disk: beat ? { free: beat.free } : null,
    quota: { bytes: parts.quota, on_edge: beat ? (beat.usage[user] ?? 0) : null },
    nodes: beat?.nodes ?? [],
    pods: pods.map((run) => ({
      pod_name: run.pod,
      image: run.image,
      node: run.node,
      run: run.run,
      state: run.state,
      ...(run.stopped && { stopped: true as const }),
      age: ageOf(run.at),
    })),
    fpga: (beat?.fpga ?? []).map(({ loaded, ...device }) => ({
      ...device,
      // whose run has a device is nobody else's business
      ...(loaded?.user === user && { loaded: { image: loaded.image, run: loaded.run } }),
    })),
    images: withAge(images),
    volumes: withAge(volumes),
    runners: pools.map((pool) => ({
      environment: pool.id,
      wanted: pool.prewarmingPoolSize,
      idle: pool.idleRunners,
      used: pool.usedRunners,
      reason: pool.reason ?? null,
    })),
  };
}
