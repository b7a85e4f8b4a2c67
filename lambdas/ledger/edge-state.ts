import { type Command, readCommand } from "./command.ts";
import type { Entry } from "./entry.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { type Lane, newLane } from "./lane.ts";

/** What all lanes of an edge have in common. Written when an agent starts and when a lane is first used, only. */
export type EdgeState = {
  /** raised at every start of an agent; what older ones say is refused */
  epoch: number;
  /** id of the journal of the agent of this epoch */
  journal?: string;
  /** the agent of this epoch tells when a command has what it needs on the edge */
  grants?: boolean;
  /** since when the operator holds the edge: said in each lane's record too, and to be taken by its first one */
  heldAt?: number;
  /** names of the lanes that have a record */
  lanes: string[];
};

/** What versions 0.1 and 0.2 wrote in its place: the one lane that there was is inside. */
export type EarlierEdgeState = {
  epoch: number;
  journal?: string;
  heldAt?: number;
  /** lanes that got a record since */
  lanes?: string[];
  holder?: EarlierPlace & { claimed: boolean };
  queue: EarlierPlace[];
  reserved: EarlierPlace[];
};

type EarlierPlace = Entry & { fresh?: Command };

export const NEW_EDGE: EdgeState = { epoch: 0, lanes: [] };

/** Names of the lanes that the edge has, also of one that is still inside an earlier version's record. */
export function lanesOf(state: EdgeState | EarlierEdgeState): string[] {
  return isEarlier(state) ? [...(state.lanes ?? []), FIRST_LANE] : state.lanes;
}

/** A lane that has no record of its own yet: an empty one, or what an earlier version wrote. */
export function laneWithin(state: EdgeState | EarlierEdgeState, name: string): Lane {
  const { heldAt } = state;
  const lane = { ...newLane(state.epoch), ...(heldAt !== undefined && { held: { edge: heldAt } }) };
  if (name !== FIRST_LANE || !isEarlier(state)) return lane;
  const { holder, queue, reserved } = state;
  if (!holder) return { ...lane, queue, reserved };
  const { claimed, fresh, ...place } = holder;
  // Under which epoch it was claimed only its command tells: the next claim hands it out again, and looks.
  const running = [claimed ? { ...place, claim: { epoch: 0, turn: 0, by: 0 } } : place];
  return { ...lane, running, queue, reserved, fresh: fresh ? { [fresh.id]: readCommand(fresh) } : {} };
}

/** The state once lane `name` has a record of its own. */
export function withLane(state: EdgeState | EarlierEdgeState, name: string): EdgeState | EarlierEdgeState {
  const lanes = [...(state.lanes ?? []).filter((other) => other !== name), name].sort();
  if (!isEarlier(state) || name !== FIRST_LANE) return { ...state, lanes };
  const { holder: _, queue: _queue, reserved: _reserved, ...rest } = state;
  return { ...rest, lanes };
}

function isEarlier(state: EdgeState | EarlierEdgeState): state is EarlierEdgeState {
  return "queue" in state;
}
