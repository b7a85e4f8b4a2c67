import { setTimeout as sleep } from "node:timers/promises";
import { isOperation, OPERATIONS } from "#protocol/operations.ts";
import { ConditionFailed, type Write } from "../ports/ledger-store.ts";
import { type EdgeAgent, operationsOf } from "./edge-agent.ts";
import { type EdgeSeen, seeEdge } from "./edge-lanes.ts";
import type { EdgeState } from "./edge-state.ts";
import { endGivenUp } from "./end.ts";
import type { Entry } from "./entry.ts";
import { keys } from "./keys.ts";
import { giveUp, type Lane } from "./lane.ts";
import type { LedgerDeps } from "./ledger-deps.ts";

/** Name of the feature of agents that tell when a command has what it needs. */
export const GRANTS = "grants";

/**
 * Issues the epoch of a starting agent: one transaction raises it in the edge's state and in all of its lanes, so
 * that from then on each lane's revision keeps out what an older one says. Commands that this agent cannot go on
 * with are given up in it, and ended after it: a lane may run more of them than one transaction holds.
 */
export async function startAgent(
  deps: LedgerDeps,
  edge: string,
  journal: string,
  agent: EdgeAgent,
): Promise<number> {
  for (let tries = 0; ; tries++) {
    const seen = await seeEdge(deps, edge);
    const epoch = seen.epoch + 1;
    try {
      await deps.store.transact(startWrites(deps, edge, seen, { epoch, journal, agent }));
    } catch (error) {
      if (!(error instanceof ConditionFailed) || tries >= 100) throw error;
      await sleep(Math.random() * Math.min(200, 2 ** tries));
      continue;
    }
    for (const lane of seen.lanes.keys()) await endGivenUp(deps, edge, lane);
    return epoch;
  }
}

type Start = { epoch: number; journal: string; agent: EdgeAgent };

function startWrites({ changes }: LedgerDeps, edge: string, seen: EdgeSeen, start: Start): Write[] {
  const { epoch, journal, agent } = start;
  const names = [...seen.lanes.keys()];
  const grants = agent.features?.includes(GRANTS) && { grants: true };
  const state: EdgeState = { epoch, journal, ...grants, lanes: names };
  const known = operationsOf(agent);
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
function servable(lane: Lane, known: readonly string[], sameJournal: boolean): Lane {
  const unknown = ({ operation }: Entry) => !known.includes(operation);
  const interrupted = ({ claim, operation }: Entry) => {
    const changes = !isOperation(operation) || OPERATIONS[operation].changes;
    return claim !== undefined && changes && (!sameJournal || !known.includes(operation));
  };
  const without = giveUp(lane, lane.running.filter(interrupted), "interrupted");
  const rest = [...without.running, ...without.queue];
  return giveUp(without, rest.filter(unknown), "unsupported");
}
