import type { Item } from "../ports/ledger-store.ts";
import type { LaneSeen } from "./changes.ts";
import { type EarlierEdgeState, type EdgeState, lanesOf, laneWithin, NEW_EDGE } from "./edge-state.ts";
import { keys } from "./keys.ts";
import { decodeLane, type LaneRecord } from "./lane-record.ts";
import type { LedgerDeps } from "./ledger-deps.ts";

/** An edge as one look found it. */
export type EdgeSeen = {
  state: Item<EdgeState | EarlierEdgeState> | undefined;
  epoch: number;
  journal?: string | undefined;
  /** its agent tells of grants */
  grants: boolean;
  /** every lane that the edge or the ground knows, sorted by name */
  lanes: ReadonlyMap<string, LaneSeen>;
};

/** Reads an edge with all of its lanes: one request, unless it has lanes that the ground does not know. */
export async function seeEdge({ store, lanes }: LedgerDeps, edge: string): Promise<EdgeSeen> {
  const read = (names: string[]) =>
    Promise.all(
      names.map(async (name) => [name, await store.get<LaneRecord>(keys.lane(edge, name))] as const),
    );
  const known = lanes.names;
  const [state, records] = await Promise.all([
    store.get<EdgeState | EarlierEdgeState>(keys.edgeState(edge)),
    read(known),
  ]);
  const data = state?.data ?? NEW_EDGE;
  records.push(...(await read(lanesOf(data).filter((name) => !known.includes(name)))));
  records.sort(([a], [b]) => (a < b ? -1 : 1));
  const seen = records.map(([name, item]): [string, LaneSeen] => [
    name,
    item ? { lane: decodeLane(item.data), rev: item.rev } : { lane: laneWithin(data, name), rev: 0, state },
  ]);
  const grants = "grants" in data && data.grants === true;
  return { state, epoch: data.epoch, journal: data.journal, grants, lanes: new Map(seen) };
}
