import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { OperationName } from "#protocol/operations.ts";
import type { Command } from "./command.ts";

/**
 * The lock and the queue of one edge, and the pure rules over them (docs/decisions/002-lock-and-queue-in-one-record.md).
 * The record is small because the queue is bounded; every function returns a new state.
 */
export type Place = {
  id: string;
  user: string;
  operation: OperationName;
  /** ms since 1970 */
  since: number;
  /** a reservation's: bytes kept of its user's quota */
  bytes?: number;
  /** an upload's in parts: when it is given up, ms since 1970 */
  until?: number;
};

/** A command that may be claimed. */
export type Next = Place & {
  /** the command as it was written together with this, when it is small: its claim need not read it */
  fresh?: Command;
};

export type EdgeState = {
  /** raised at every start of an agent; reports of older ones are refused */
  epoch: number;
  /** id of the journal of the agent of this epoch */
  journal?: string;
  /** the command that holds the lock: unclaimed it is a waiting call's, claimed it is whichever runs */
  holder?: Next & { claimed: boolean };
  /** accepted, in order */
  queue: Place[];
  /** uplinks whose body is still coming in: they count, and block nobody */
  reserved: Place[];
};

/** The place of a command that waits since `since` (ms). */
export function placeOf(command: Command, since: number): Place {
  return { id: command.id, user: command.user, operation: command.operation, since };
}

export const NEW_EDGE: EdgeState = { epoch: 0, queue: [], reserved: [] };

export type QueueBounds = { queuePerEdge: number; queuePerUser: number };

/** Refuses while a command holds the lock or anything is queued ahead. @throws LOCKED */
export function requireFree(state: EdgeState, user: string): void {
  const busy = state.holder ?? state.queue[0];
  if (!busy) return;
  const since = new Date(busy.since).toISOString();
  throw new PerigeeError("LOCKED", "CG2 is busy", {
    data: {
      data: busy.user === user ? { operation: busy.operation, since, command_id: busy.id } : { since },
    },
  });
}

/** Refuses when the queue has no place left. @throws QUEUE_FULL */
export function requirePlace(state: EdgeState, user: string, bounds: QueueBounds = LIMITS): void {
  const waiting = [...state.queue, ...state.reserved];
  if (waiting.length >= bounds.queuePerEdge) {
    throw new PerigeeError("QUEUE_FULL", `The queue of the edge is full (${bounds.queuePerEdge} commands)`);
  }
  if (waiting.filter((place) => place.user === user).length >= bounds.queuePerUser) {
    throw new PerigeeError("QUEUE_FULL", `You have ${bounds.queuePerUser} commands in the queue already`);
  }
}

/** A waiting call's command takes the lock; `fresh` is the command, where it is small. */
export function takeLock(state: EdgeState, place: Place, fresh?: Command): EdgeState {
  return { ...state, holder: { ...place, claimed: false, ...(fresh && { fresh }) } };
}

/** A place for an uplink whose body is still to come. */
export function reserve(state: EdgeState, place: Place): EdgeState {
  return { ...state, reserved: [...state.reserved, place] };
}

/** An upload in parts is given up at another time (ms since 1970). */
export function extend(state: EdgeState, id: string, until: number): EdgeState {
  const moved = (place: Place) => (place.id === id ? { ...place, until } : place);
  return { ...state, reserved: state.reserved.map(moved) };
}

/** Reservations that are over: `stagingMs` old, or for an upload in parts past its own time. */
export function overdue(state: EdgeState, now: number, stagingMs: number): Place[] {
  return state.reserved.filter(({ since, until }) => now >= (until ?? since + stagingMs));
}

/** To the end of the queue; a reservation of the same command is used up. */
export function enqueue(state: EdgeState, place: Place): EdgeState {
  return {
    ...state,
    reserved: state.reserved.filter((other) => other.id !== place.id),
    queue: [...state.queue, place],
  };
}

/** The command that a claim gets next: the lock's holder, else the head of the queue. */
export function nextToClaim(state: EdgeState): Next | undefined {
  return state.holder ?? state.queue[0];
}

/** The command is the agent's now, and holds the lock while it runs: from `now` (ms), if it had only queued. */
export function claimed(state: EdgeState, { fresh, ...place }: Next, now: number): EdgeState {
  const since = state.holder?.id === place.id ? place.since : now;
  return {
    ...state,
    holder: { ...place, since, claimed: true },
    queue: state.queue.filter((other) => other.id !== place.id),
  };
}

/** The command has ended: it holds nothing and waits nowhere any more. */
export function release(state: EdgeState, id: string): EdgeState {
  const { holder, ...rest } = state;
  return {
    ...rest,
    ...(holder && holder.id !== id && { holder }),
    queue: state.queue.filter((place) => place.id !== id),
    reserved: state.reserved.filter((place) => place.id !== id),
  };
}

/** How many commands come before this one: 0 = next, undefined = it does not wait. */
export function ahead(state: EdgeState, id: string): number | undefined {
  const index = state.queue.findIndex((place) => place.id === id);
  return index < 0 ? undefined : index + (state.holder ? 1 : 0);
}
