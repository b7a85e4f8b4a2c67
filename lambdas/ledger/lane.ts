import { PerigeeError } from "#protocol/errors.ts";
import type { Command } from "./command.ts";
import { type EndReason, type Entry, type EntryClaim, groupKey } from "./entry.ts";
import { inTurn } from "./in-turn.ts";
import { LaneBusy } from "./lane-busy.ts";
import type { LaneOptions, QueueBounds } from "./lane-options.ts";
import { heldByOperator } from "./refusals.ts";
import { afterTurn, type Rotation } from "./rotation.ts";

/**
 * One lane of an edge, and the pure rules over it (docs/decisions/010-lanes.md). Every function returns a new
 * lane. It is small because every list of it is bounded.
 */
export type Lane = {
  /** of the agent that serves the edge: raised here whenever it is in the edge's state */
  epoch: number;
  /** hold a place, in the order of their claims; without `claim`: a waiting call's, still to be claimed */
  running: Entry[];
  /** accepted, in the order in which they came */
  queue: Entry[];
  /** uplinks whose body is still coming in: they count towards the bounds, and block nobody */
  reserved: Entry[];
  /** have given up their places, but their commands have not been ended yet: the next claim, start or janitor does it */
  ending: Entry[];
  /** who gets the next free place, in a lane that goes round */
  rotation: Rotation;
  /** commands with a place as they were written together with it, where small: their claim need not read them */
  fresh: Record<string, Command>;
  /** the operator holds what waits in it */
  held?: LaneHold;
  /** submissions of more commands than one transaction takes: those to come are not in the queue yet */
  pending: PendingSubmission[];
};

/** Since when (ms since 1970) the operator holds the lane, or its whole edge. */
export type LaneHold = { lane?: number; edge?: number };

/** What the operator holds of a lane: its whole edge, or the lane alone. */
export function heldAs({ held }: Pick<Lane, "held">): "edge" | "lane" | undefined {
  if (held?.edge !== undefined) return "edge";
  return held?.lane === undefined ? undefined : "lane";
}

/** A submission that was accepted: `left` of its commands still have to be queued. */
export type PendingSubmission = Pick<Entry, "id" | "user" | "operation" | "since"> & { left: number };

export function newLane(epoch: number): Lane {
  const lists = { running: [], queue: [], reserved: [], ending: [], pending: [] };
  return { epoch, ...lists, rotation: [], fresh: {} };
}

/** Copies of commands that a lane's record may hold until they are claimed. */
const MOST_FRESH = 4;

/** The entry of a command that waits since `since` (ms). */
export function entryOf(command: Command, since: number): Entry {
  const { id, user, operation, group, expiresAt, priority, heldAt } = command;
  return {
    id,
    user,
    operation,
    since,
    ...(group !== undefined && { group: groupKey(group) }),
    ...(priority !== undefined && { priority }),
    ...(heldAt !== undefined && { held: true }),
    ...(expiresAt !== undefined && { until: expiresAt }),
  };
}

/** Refuses while no place is free, while anybody waits for one, or while the lane is held. @throws LaneBusy, LOCKED */
export function requireFree(lane: Lane, { name, width, order }: LaneOptions): void {
  const heldSince = lane.held?.edge ?? lane.held?.lane;
  if (heldSince !== undefined) throw heldByOperator(heldSince);
  const waits = inTurn(lane, order).next().value ?? lane.pending[0];
  if (lane.running.length < width && !waits) return;
  const busy = lane.running[0] ?? waits;
  if (busy) throw new LaneBusy(name, busy);
}

/** Refuses when the queue has no room for `count` more commands. @throws QUEUE_FULL */
export function requireRoom(lane: Lane, user: string, bounds: QueueBounds, count = 1): void {
  const left = (mine: (user: string) => boolean) =>
    lane.pending.reduce((sum, { user, left }) => (mine(user) ? sum + left : sum), 0) +
    [...lane.queue, ...lane.reserved].filter((entry) => mine(entry.user)).length;
  if (left(() => true) + count > bounds.queuePerEdge) {
    throw new PerigeeError("QUEUE_FULL", `The queue of the edge is full (${bounds.queuePerEdge} commands)`);
  }
  if (left((other) => other === user) + count > bounds.queuePerUser) {
    throw new PerigeeError("QUEUE_FULL", `You have ${bounds.queuePerUser} commands in the queue already`);
  }
}

/** A command takes a place before it is claimed; `fresh` is the command, where it is small. */
export function takePlace(lane: Lane, entry: Entry, fresh?: Command): Lane {
  const keep = fresh && Object.keys(lane.fresh).length < MOST_FRESH;
  return {
    ...lane,
    running: [...lane.running, entry],
    ...(keep && { fresh: { ...lane.fresh, [entry.id]: fresh } }),
  };
}

/** A place in the queue's bounds for an uplink whose body is still to come. */
export function reserve(lane: Lane, entry: Entry): Lane {
  return { ...lane, reserved: [...lane.reserved, entry] };
}

/** An upload in parts is given up at another time (ms since 1970). */
export function extend(lane: Lane, id: string, until: number): Lane {
  const moved = (entry: Entry) => (entry.id === id ? { ...entry, until } : entry);
  return { ...lane, reserved: lane.reserved.map(moved) };
}

/** Reservations that are over: `stagingMs` old, or for an upload in parts past its own time. */
export function overdue(lane: Lane, now: number, stagingMs: number): Entry[] {
  return lane.reserved.filter(({ since, until }) => now >= (until ?? since + stagingMs));
}

/** Past its time, as its user named it. */
export function isOver({ until }: Entry, now: number): boolean {
  return until !== undefined && now >= until;
}

/**
 * What nobody claimed in time: places of waiting calls within `abandonedMs`, as whoever waited is gone, and what is
 * {@link isOver}.
 */
export function abandoned(lane: Lane, now: number, abandonedMs: number): Entry[] {
  const old = ({ since }: Entry) => now - since > abandonedMs;
  const places = lane.running.filter((entry) => !entry.claim && (old(entry) || isOver(entry, now)));
  return [...places, ...lane.queue.filter((entry) => isOver(entry, now))];
}

/** To the end of the queue; a reservation of the same command is used up. */
export function enqueue(lane: Lane, entry: Entry): Lane {
  const reserved = lane.reserved.filter((other) => other.id !== entry.id);
  return { ...lane, reserved, queue: [...lane.queue, entry] };
}

/** Its user holds what waits: it keeps its place in the queue's bounds, and gets none to run. */
export function setAside(lane: Lane, id: string): Lane {
  const queue = lane.queue.map((entry) => (entry.id === id ? { ...entry, held: true as const } : entry));
  return { ...lane, queue };
}

/**
 * What was held waits again since `now` (ms): at the end of the queue, or among its group where it was, since the
 * commands of a group keep their order.
 */
export function letWait(lane: Lane, id: string, now: number): Lane {
  const found = lane.queue.find((entry) => entry.id === id);
  if (!found) return lane;
  const { held: _, ...entry } = { ...found, since: now };
  const queue =
    entry.group === undefined
      ? [...lane.queue.filter((other) => other !== found), entry]
      : lane.queue.map((other) => (other === found ? entry : other));
  return { ...lane, queue };
}

/** What of a lane's options says who gets its places. */
type Places = Pick<LaneOptions, "width" | "order" | "sharesPlaces">;

/**
 * Those that a claim with room for `room` gets, in order: places that wait for it first, then the queue, unless the
 * operator holds it.
 */
export function nextToClaim(lane: Lane, options: Places, room: number): Entry[] {
  const places = lane.running.filter(({ claim }) => !claim).slice(0, room);
  if (lane.held) return places;
  return [...places, ...placed(lane, options).take(Math.max(0, room - places.length))];
}

/** Those of the queue for which there are places now, in order. */
function placed(lane: Lane, options: Places): IteratorObject<Entry> {
  const waiting = inTurn(lane, options.order);
  const may = options.sharesPlaces ? withinShares(lane, waiting, options) : waiting;
  return may.take(Math.max(0, options.width - lane.running.length));
}

/** Those that may have a place now, in order: their users hold fewer than there are left. */
function withinShares(
  lane: Lane,
  waiting: Generator<Entry>,
  { width }: Pick<LaneOptions, "width">,
): IteratorObject<Entry> {
  const held = new Map<string, number>();
  for (const { user } of lane.running) held.set(user, (held.get(user) ?? 0) + 1);
  let left = width - lane.running.length;
  return waiting.filter(({ user }) => {
    const has = held.get(user) ?? 0;
    if (has >= left) return false;
    held.set(user, has + 1);
    left--;
    return true;
  });
}

/** The commands are the agent's now and hold places: from `now` (ms), if they had only queued. */
export function claimed(lane: Lane, entries: readonly Entry[], claim: EntryClaim, now: number): Lane {
  const ids = new Set(entries.map(({ id }) => id));
  const held = new Set(lane.running.map(({ id }) => id));
  const taken = entries.map(({ group: _, until: _until, priority: _priority, ...entry }) => ({
    ...entry,
    since: held.has(entry.id) ? entry.since : now,
    claim,
  }));
  const others = ({ id }: Entry) => !ids.has(id);
  return {
    ...lane,
    running: [...lane.running.filter(others), ...taken],
    queue: lane.queue.filter(others),
    rotation: entries.filter(({ id }) => !held.has(id)).reduce(afterTurn, lane.rotation),
    fresh: without(lane.fresh, ids),
  };
}

/** The command has ended: it holds nothing and waits nowhere any more. */
export function release(lane: Lane, id: string): Lane {
  const others = (entry: Entry) => entry.id !== id;
  return {
    ...lane,
    running: lane.running.filter(others),
    queue: lane.queue.filter(others),
    reserved: lane.reserved.filter(others),
    ending: lane.ending.filter(others),
    fresh: without(lane.fresh, new Set([id])),
  };
}

/** Takes the commands' places away and marks them to be ended, for `reason`. */
export function giveUp(lane: Lane, entries: readonly Entry[], reason: EndReason): Lane {
  const free = entries.reduce((rest, { id }) => release(rest, id), lane);
  return { ...free, ending: [...free.ending, ...entries.map((entry) => ({ ...entry, end: reason }))] };
}

/**
 * How many commands come before this one: 0 = next, with a place free that it may have; undefined = it waits for no
 * place. Those for which there are places come before those whose users hold their shares.
 */
export function ahead(lane: Lane, id: string, options: Places): number | undefined {
  const now = new Set(placed(lane, options));
  const rest = [...inTurn(lane, options.order)].filter((entry) => !now.has(entry));
  const index = [...now, ...rest].findIndex((entry) => entry.id === id);
  return index < 0 ? undefined : index + (now.size === 0 ? 1 : 0);
}

/** Is there a place that this one may have now? Of a lane with several, more than the next may. */
export function hasPlace(lane: Lane, id: string, options: Places): boolean {
  return placed(lane, options).some((entry) => entry.id === id);
}

function without<T>(map: Record<string, T>, ids: ReadonlySet<string>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).filter(([id]) => !ids.has(id)));
}
