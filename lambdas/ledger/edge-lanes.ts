import type { Item } from "../ports/ledger-store.ts";
import { type EarlierEdgeState, type EdgeState, lanesOf, laneWithin, NEW_EDGE } from "./edge-state.ts";
import { keys } from "./keys.ts";
import type { LaneSeen } from "./lane-change.ts";
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

/**
 * Reads an edge with all of its lanes. A lane without a record is empty and is not asked for, so a dialect that
 * nobody uses costs nothing. One request, unless the edge has got another lane since this process looked last.
 */
export async function seeEdge({ store, lanes, recorded }: LedgerDeps, edge: string): Promise<EdgeSeen> {
  const read = (names: readonly string[]) =>
    Promise.all(
      names.map(async (name) => [name, await store.get<LaneRecord>(keys.lane(edge, name))] as const),
    );
  const likely = recorded.get(edge) ?? lanes.names;
  const [state, records] = await Promise.all([
    store.get<EdgeState | EarlierEdgeState>(keys.edgeState(edge)),
    read(likely),
  ]);
  const data = state?.data ?? NEW_EDGE;
  const named = lanesOf(data);
  records.push(...(await read(named.filter((name) => !likely.includes(name)))));
  recorded.set(edge, named);
  const found = new Map(records);
  const names = [...new Set([...lanes.names, ...found.keys()])].sort();
  const seen = names.map((name): [string, LaneSeen] => {
    const item = found.get(name);
    return [
      name,
      item ? { lane: decodeLane(item.data), rev: item.rev } : { lane: laneWithin(data, name), rev: 0, state },
    ];
  });
  const grants = "grants" in data && data.grants === true;
  return { state, epoch: data.epoch, journal: data.journal, grants, lanes: new Map(seen) };
}
