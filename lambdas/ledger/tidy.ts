import type { Command } from "./command.ts";
import { type EdgeSeen, seeEdge } from "./edge-lanes.ts";
import { endGivenUp, endUnclaimed } from "./end.ts";
import { abandoned, giveUp, type Lane, overdue } from "./lane.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import { completeSubmissions } from "./submit-many.ts";

/** Is there anything in the lane that whoever comes next has to finish? */
export function isUntidy({ now, limits }: LedgerDeps, lane: Lane): boolean {
  return (
    lane.ending.length > 0 || lane.pending.length > 0 || abandoned(lane, now(), limits.abandonedMs).length > 0
  );
}

/**
 * Finishes what somebody who died left in a lane: ends what was given up and what nobody claimed in time, queues
 * the rest of submissions. @returns the commands that ended
 */
export async function tidy(deps: LedgerDeps, edge: string, lane: string): Promise<Command[]> {
  const { changes, now, limits } = deps;
  await changes.change<void, void>({
    edge,
    lane,
    read: async () => {},
    attempt(current) {
      const old = abandoned(current, now(), limits.abandonedMs);
      return old.length === 0
        ? { value: undefined }
        : { lane: giveUp(current, old, "expired"), value: undefined };
    },
  });
  await completeSubmissions(deps, edge, lane);
  return endGivenUp(deps, edge, lane);
}

/** The edge with its lanes tidied. */
export async function seeTidyEdge(deps: LedgerDeps, edge: string): Promise<EdgeSeen> {
  const seen = await seeEdge(deps, edge);
  const untidy = [...seen.lanes].filter(([, { lane }]) => isUntidy(deps, lane));
  if (untidy.length === 0) return seen;
  for (const [name] of untidy) await tidy(deps, edge, name);
  return seeEdge(deps, edge);
}

/**
 * Ends what was left behind on an edge: unclaimed places and uploads that are too old.
 * @param stagingMs age (ms) of an upload that is too old; one in parts has a time of its own
 */
export async function expireAbandoned(deps: LedgerDeps, edge: string, stagingMs: number): Promise<Command[]> {
  const ended: Command[] = [];
  for (const [name, { lane }] of (await seeEdge(deps, edge)).lanes) {
    for (const { user, id } of overdue(lane, deps.now(), stagingMs)) {
      ended.push(await endUnclaimed(deps, { edge, lane: name, user, id }, { to: "expired" }));
    }
    if (isUntidy(deps, lane)) ended.push(...(await tidy(deps, edge, name)));
  }
  return ended;
}

/** The operator gives up what holds a place on the edge; the outcome of what ran is not known. @returns it */
export async function resetEdge(deps: LedgerDeps, edge: string): Promise<Command[]> {
  const ended: Command[] = [];
  for (const lane of (await seeEdge(deps, edge)).lanes.keys()) {
    await deps.changes.change<void, void>({
      edge,
      lane,
      read: async () => {},
      attempt: (current) =>
        current.running.length === 0
          ? { value: undefined }
          : { lane: giveUp(current, current.running, "reset"), value: undefined },
    });
    ended.push(...(await endGivenUp(deps, edge, lane)));
  }
  return ended;
}
