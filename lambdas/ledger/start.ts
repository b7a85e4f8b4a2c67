import { FEATURES, nameFor } from "#protocol/older-agents.ts";
import { isOperation, OPERATIONS } from "#protocol/operations.ts";
import type { Write } from "../ports/ledger-store.ts";
import { EDGE_RACES, optimistically } from "../ports/optimistically.ts";
import type { EdgeAgent } from "./edge-agent.ts";
import { type EdgeSeen, seeEdge } from "./edge-lanes.ts";
import type { EdgeState } from "./edge-state.ts";
import { endGivenUp } from "./end.ts";
import type { Entry } from "./entry.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { keys } from "./keys.ts";
import { giveUp, type Lane } from "./lane.ts";
import type { LedgerDeps } from "./ledger-deps.ts";

/**
 * Issues the epoch of a starting agent: one transaction raises it in the edge's state and in all lanes with a record,
 * so that from then on each lane's revision keeps out what an older one says. Commands that this agent cannot go on
 * with are given up in it, and ended after it: a lane may run more of them than one transaction holds.
 */
export async function startAgent(
  deps: LedgerDeps,
  edge: string,
  journal: string,
  agent: EdgeAgent,
): Promise<number> {
  const { epoch, lanes } = await optimistically(async () => {
    const seen = await seeEdge(deps, edge);
    const next = seen.epoch + 1;
    await deps.store.transact(startWrites(deps, edge, seen, { epoch: next, journal, agent }));
    return { epoch: next, lanes: seen.lanes };
  }, EDGE_RACES);
  for (const lane of lanes.keys()) await endGivenUp(deps, edge, lane);
  return epoch;
}

type Start = { epoch: number; journal: string; agent: EdgeAgent };

function startWrites({ changes }: LedgerDeps, edge: string, seen: EdgeSeen, start: Start): Write[] {
  const { epoch, journal, agent } = start;
  // others have no record, and take their epoch from the edge's state
  const names = [...seen.lanes].flatMap(([name, { rev }]) => (name === FIRST_LANE || rev > 0 ? name : []));
  const grants = agent.features?.includes(FEATURES.grants) && { grants: true };
  const heldAt = seen.state?.data.heldAt;
  const state: EdgeState = {
    epoch,
    journal,
    ...grants,
    ...(heldAt !== undefined && { heldAt }),
    lanes: names,
  };
  const known = (operation: string) => nameFor(operation, agent.operations) !== undefined;
  const lanes = names.map((name) => {
    const { lane, rev } = seen.lanes.get(name)!;
    const next = { ...servable(lane, known, seen.journal === journal), epoch };
    // the state names it, in this very transaction
    return changes.laneWrites(edge, name, next, { lane, rev })[0]!;
  });
  return [
    { put: { ...keys.edgeState(edge), data: state }, if: seen.state?.rev ?? 0 },
    { put: { ...keys.edgeAgent(edge), data: agent } },
    ...lanes,
  ];
}

/**
 * The lane without what the agent cannot serve: commands that it does not know, and, under another journal, those
 * that changed something, as nobody knows how far they came.
 */
function servable(lane: Lane, known: (operation: string) => boolean, sameJournal: boolean): Lane {
  const unknown = ({ operation }: Entry) => !known(operation);
  const interrupted = ({ claim, operation }: Entry) => {
    const changes = !isOperation(operation) || OPERATIONS[operation].changes;
    return claim !== undefined && changes && (!sameJournal || !known(operation));
  };
  const without = giveUp(lane, lane.running.filter(interrupted), "interrupted");
  const rest = [...without.running, ...without.queue];
  return giveUp(without, rest.filter(unknown), "unsupported");
}
