import { PerigeeError } from "#protocol/errors.ts";
import { EDGE_RACES, optimistically } from "../ports/optimistically.ts";
import type { Command } from "./command.ts";
import { seeEdge } from "./edge-lanes.ts";
import type { EdgeState } from "./edge-state.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { keys } from "./keys.ts";
import { type Lane, type LaneHold, letWait, setAside } from "./lane.ts";
import type { LedgerDeps } from "./ledger-deps.ts";

/**
 * Its user holds a command: it waits for no place until {@link releaseCommand}, and still expires. One that is held is
 * returned as it is.
 * @throws COMMAND_NOT_FOUND, NOT_HOLDABLE for one that has a place, runs or has ended
 */
export async function holdCommand(deps: LedgerDeps, user: string, id: string): Promise<Command> {
  const target = await deps.changes.command(user, id);
  return deps.changes.changeCommand(target, (lane, { data: command, rev }) => {
    if (!waits(lane, command)) {
      throw new PerigeeError("NOT_HOLDABLE", `The command does not wait in a queue: ${command.state}`);
    }
    if (command.heldAt !== undefined) return { value: command };
    const held = { ...command, heldAt: deps.now() };
    return { lane: setAside(lane, id), writes: [deps.changes.put(held, rev)], value: held };
  });
}

/**
 * A held command waits again, as one that came just now. One that is not held is returned as it is.
 * @throws COMMAND_NOT_FOUND
 */
export async function releaseCommand(deps: LedgerDeps, user: string, id: string): Promise<Command> {
  const target = await deps.changes.command(user, id);
  return deps.changes.changeCommand(target, (lane, { data: command, rev }) => {
    if (command.heldAt === undefined || !waits(lane, command)) return { value: command };
    const { heldAt: _, ...released } = command;
    const writes = [deps.changes.put(released, rev)];
    return { lane: letWait(lane, id, deps.now()), writes, value: released };
  });
}

function waits(lane: Lane, { id, state }: Command): boolean {
  return state === "staging" || (state === "queued" && lane.queue.some((entry) => entry.id === id));
}

/**
 * The operator holds or releases a lane, or without one the whole edge, in one transaction: what waits there gets no
 * place, and goes on being taken. A lane that is held by itself stays so when its edge is released.
 * @throws RangeError for a lane that the ground does not have
 */
export async function holdEdge(
  deps: LedgerDeps,
  { edge, lane, hold }: { edge: string; lane?: string | undefined; hold: boolean },
): Promise<void> {
  if (lane !== undefined) return holdLane(deps, edge, lane, hold);
  const { changes, store, now } = deps;
  await optimistically(async () => {
    const seen = await seeEdge(deps, edge);
    const before = seen.state?.data.heldAt;
    if ((before !== undefined) === hold) return;
    const at = hold ? now() : undefined;
    // the others have no record, and take it from the edge's state
    const names = [...seen.lanes].flatMap(([name, { rev }]) => (name === FIRST_LANE || rev > 0 ? name : []));
    const { epoch, journal, grants } = {
      journal: undefined,
      grants: undefined,
      ...seen.state?.data,
      epoch: seen.epoch,
    };
    const state: EdgeState = {
      epoch,
      ...(journal !== undefined && { journal }),
      ...(grants && { grants }),
      ...(at !== undefined && { heldAt: at }),
      lanes: names,
    };
    const lanes = names.map((name) => {
      const { lane: current, rev } = seen.lanes.get(name)!;
      return changes.laneWrites(edge, name, held(current, { ...current.held, edge: at }), {
        lane: current,
        rev,
      })[0]!;
    });
    await store.transact([
      { put: { ...keys.edgeState(edge), data: state }, if: seen.state?.rev ?? 0 },
      ...lanes,
    ]);
  }, EDGE_RACES);
}

async function holdLane(deps: LedgerDeps, edge: string, name: string, hold: boolean): Promise<void> {
  if (!deps.lanes.get(name)) throw new RangeError(`the ground has no lane ${name}`);
  await deps.changes.change<void, void>({
    edge,
    lane: name,
    read: async () => {},
    attempt: (lane) =>
      (lane.held?.lane !== undefined) === hold
        ? { value: undefined }
        : { lane: held(lane, { ...lane.held, lane: hold ? deps.now() : undefined }), value: undefined },
  });
}

/** The lane with this hold, or with none where it says nothing. */
function held({ held: _, ...lane }: Lane, hold: { [K in keyof LaneHold]: LaneHold[K] | undefined }): Lane {
  const { lane: own, edge } = hold;
  if (own === undefined && edge === undefined) return lane;
  return { ...lane, held: { ...(own !== undefined && { lane: own }), ...(edge !== undefined && { edge }) } };
}
