import { LIMITS } from "#protocol/limits.ts";
import { PRIORITY } from "#protocol/priority.ts";
import type { Entry } from "./entry.ts";
import type { LaneOrder } from "./lane-options.ts";
import { type Rotation, withWaiting } from "./rotation.ts";

/** Those of a queue that wait for a place: neither held, nor behind one of their group that is held. */
export function waitingOf(queue: readonly Entry[]): readonly Entry[] {
  if (!queue.some(({ held }) => held)) return queue;
  const groups = new Set<string>();
  return queue.filter((entry) => {
    const { user, group, held } = entry;
    if (held && group !== undefined) groups.add(listOf(user, group));
    return !held && !(group !== undefined && groups.has(listOf(user, group)));
  });
}

/**
 * All that wait, in the order in which free places go to them if nobody else comes.
 *
 * Each place goes to one priority, and within it as the lane's order says: to who came first, or round the users and
 * their groups, whose turns are the same for all priorities. The priority is the one whose oldest command has waited
 * longest, where each step of priority counts as `stepMs` of waiting. So a low one comes before every command that came
 * more than its steps later, those that came together keep their order however long there is no contact, and nobody
 * needs a clock (docs/decisions/276-priorities-age.md).
 */
export function* inTurn(
  { queue, rotation }: { queue: readonly Entry[]; rotation: Rotation },
  order: LaneOrder,
  stepMs: number = LIMITS.priorityStepMs,
): Generator<Entry, undefined> {
  const waiting = waitingOf(queue);
  const keys = order === "first-come" ? () => ["", ""] as const : keysOf;
  const priorities = [...Map.groupBy(waiting, priorityOf)]
    .sort(([a], [b]) => b - a)
    .map(([priority, entries]) => new OfPriority(entries, priority * stepMs, keys));
  const turns: (readonly [string, ...string[]])[] =
    order === "first-come" ? [["", ""]] : [...withWaiting(rotation, waiting)];
  for (let left = waiting.length; left > 0; left--) {
    let next = priorities[0]!;
    for (const other of priorities) if (other.begin() < next.begin()) next = other;
    const at = turns.findIndex(([user, ...groups]) => groups.some((group) => next.has(user, group)));
    const [user, ...groups] = turns[at]!;
    const group = groups.find((one) => next.has(user, one))!;
    turns.splice(at, 1);
    turns.push([user, ...groups.filter((one) => one !== group), group]);
    yield next.take(user, group);
  }
  return undefined;
}

/** What waits of one priority. */
class OfPriority {
  readonly #ahead: number;
  /** by user and group, those that came first at the end */
  readonly #lists = new Map<string, Entry[]>();
  /** the oldest at the end */
  readonly #byAge: Entry[];
  readonly #taken = new Set<Entry>();

  /** @param ahead what its priority counts as, ms of waiting */
  constructor(entries: readonly Entry[], ahead: number, keys: (entry: Entry) => readonly [string, string]) {
    this.#ahead = ahead;
    this.#byAge = entries.toSorted((a, b) => b.since - a.since);
    for (const entry of entries.toReversed()) {
      const key = listOf(...keys(entry));
      const list = this.#lists.get(key);
      if (list) list.push(entry);
      else this.#lists.set(key, [entry]);
    }
  }

  /** Since when its oldest waits, with what its priority counts as; Infinity when nobody waits. */
  begin(): number {
    for (;;) {
      const oldest = this.#byAge.at(-1);
      if (!oldest) return Number.POSITIVE_INFINITY;
      if (!this.#taken.has(oldest)) return oldest.since - this.#ahead;
      this.#byAge.pop();
    }
  }

  has(user: string, group: string): boolean {
    return (this.#lists.get(listOf(user, group))?.length ?? 0) > 0;
  }

  take(user: string, group: string): Entry {
    const entry = this.#lists.get(listOf(user, group))!.pop()!;
    this.#taken.add(entry);
    return entry;
  }
}

function priorityOf({ priority }: Entry): number {
  return priority ?? PRIORITY.usual;
}

function keysOf({ user, group = "" }: Entry): readonly [string, string] {
  return [user, group];
}

function listOf(user: string, group: string): string {
  return `${user} ${group}`;
}
