import { LIMITS } from "#protocol/limits.ts";
import { claimBytes, LARGEST_COMMAND } from "./claim-budget.ts";
import { takeNew } from "./claim-new.ts";
import { resume, resumeInLane } from "./claim-resumed.ts";
import type { Command } from "./command.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { nextToClaim } from "./lane.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import { requireEpoch } from "./refusals.ts";
import { isUntidy, seeTidyEdge, tidy } from "./tidy.ts";

/** A claim of an agent that runs many commands: `claimRequest` in protocol/wire.ts. */
export type ClaimRequest = {
  epoch: number;
  /** new commands that it takes now, by lane */
  room: Readonly<Record<string, number>>;
  /** counts its claims; commands of one turn are older than those of the next */
  turn?: number | undefined;
  /** ids of the running commands that it has */
  have?: readonly string[] | undefined;
};

/** What a claim brings: `claimResponse` in protocol/wire.ts. */
export type Claimed = {
  /** run already, and are not among what the agent has: in the order in which they were claimed first */
  resumed: Command[];
  /** `resumed` is all of them */
  complete: boolean;
  /** new ones; none while `resumed` is not complete */
  commands: Command[];
  /** another claim would bring more, room allowing */
  more: boolean;
};

/**
 * `queued → running` for as many commands as the agent has room for and the lanes have places; before them all
 * that run and that it does not have: under an earlier epoch, or in an answer that was lost. At most one
 * transaction a lane, and at most {@link LIMITS.claimBytes} of commands.
 * @throws STALE_EPOCH
 */
export async function claimMany(deps: LedgerDeps, edge: string, request: ClaimRequest): Promise<Claimed> {
  const seen = await seeTidyEdge(deps, edge);
  requireEpoch(seen, request.epoch);
  const { resumed, complete, changed } = await resume(deps, edge, seen, request);
  if (!complete) return { resumed, complete, commands: [], more: true };
  const left = resumed.reduce((rest, command) => rest - claimBytes(command), LIMITS.claimBytes);
  const offers = [...seen.lanes].flatMap(([name, { lane, rev, state }]) => {
    const options = deps.lanes.get(name);
    if (!options || nextToClaim(lane, options, 1).length === 0) return [];
    const room = Object.hasOwn(request.room, name) ? request.room[name]! : 0;
    return [{ name, room, ...(!changed.has(name) && { seen: { lane, rev, state } }) }];
  });
  const wanted = offers.filter(({ room }) => room > 0);
  const served = wanted.slice(0, Math.max(0, Math.floor(left / LARGEST_COMMAND)));
  const of = { epoch: request.epoch, turn: request.turn ?? 0, grants: seen.grants };
  const taken = await Promise.all(
    served.map((offer) => takeNew(deps, edge, { ...of, ...offer, bytes: left / served.length })),
  );
  return {
    resumed,
    complete,
    commands: taken.flatMap(({ commands }) => commands),
    more: served.length < offers.length || taken.some(({ more }) => more),
  };
}

/**
 * The claim of an agent that runs one command at a time (version 0.2 and older): of the EM's lane the one that runs,
 * again, or the next.
 * @returns undefined when there is nothing to do
 * @throws STALE_EPOCH
 */
export async function claimOne(deps: LedgerDeps, edge: string, epoch: number): Promise<Command | undefined> {
  for (;;) {
    let seen = await deps.changes.see(edge, FIRST_LANE);
    requireEpoch(seen.lane, epoch);
    if (isUntidy(deps, seen.lane)) {
      await tidy(deps, edge, FIRST_LANE);
      seen = await deps.changes.see(edge, FIRST_LANE);
    }
    const held = seen.lane.running.find(({ claim }) => claim);
    if (held) {
      const [command] = await resumeInLane(deps, { edge, lane: FIRST_LANE, epoch, entries: [held], seen });
      if (command) return command;
      // it has ended since it was seen
      continue;
    }
    const bytes = LIMITS.claimBytes;
    const { commands } = await takeNew(deps, edge, {
      name: FIRST_LANE,
      room: 1,
      epoch,
      turn: 0,
      seen,
      bytes,
    });
    return commands[0];
  }
}
