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
 * needs a clock. The commands of a group keep their order: the first has the group's priority
 * (docs/decisions/276-priorities-age.md).
 */
export function* inTurn(
  { queue, rotation }: { queue: readonly Entry[]; rotation: Rotation },
  order: LaneOrder,
  stepMs: number = LIMITS.priorityStepMs,
): Generator<Entry, undefined> {
  const waiting = waitingOf(queue);
  const goesRound = order === "round-robin";
  const lists = new Lists(waiting, goesRound, stepMs);
  const turns: (readonly [string, ...string[]])[] = goesRound
    ? [...withWaiting(rotation, waiting)]
    : [["", ""]];
  for (let left = waiting.length; left > 0; left--) {
    const priority = lists.next();
    const at = turns.findIndex(([user, ...groups]) => groups.some((one) => lists.has(priority, user, one)));
    const [user, ...groups] = turns[at]!;
    const group = groups.find((one) => lists.has(priority, user, one))!;
    turns.splice(at, 1);
    turns.push([user, ...groups.filter((one) => one !== group), group]);
    yield lists.take(priority, user, group);
  }
  return undefined;
}

/** Who came first at the end: of a group, or of what has no group of one user and priority. */
type List = Entry[];

/** What waits, in lists of which only the first may be next. */
class Lists {
  readonly #stepMs: number;
  /** by the priority of the first, and then by user and group */
  readonly #byPriority = new Map<number, Map<string, List>>();
  /** since when the oldest of a priority waits, with what the priority counts as */
  readonly #begins = new Map<number, number>();

  constructor(waiting: readonly Entry[], goesRound: boolean, stepMs: number) {
    this.#stepMs = stepMs;
    const lists = Map.groupBy(waiting, (entry) => {
      const { user, group } = entry;
      if (!goesRound) return `${priorityOf(entry)}`;
      return group === undefined ? `${priorityOf(entry)} ${user}` : `- ${listOf(user, group)}`;
    });
    for (const list of lists.values()) {
      const { user, group } = list[0]!;
      this.#put(goesRound ? listOf(user, group) : listOf("", ""), list.reverse());
    }
  }

  /** The priority that the next place goes to; of two that have waited alike the higher. */
  next(): number {
    let next = Number.NaN;
    for (const priority of this.#byPriority.keys()) {
      const before = this.#begin(next) - this.#begin(priority);
      if (Number.isNaN(before) || before > 0 || (before === 0 && priority > next)) next = priority;
    }
    return next;
  }

  has(priority: number, user: string, group: string): boolean {
    return this.#byPriority.get(priority)?.has(listOf(user, group)) ?? false;
  }

  take(priority: number, user: string, group: string): Entry {
    const key = listOf(user, group);
    const lists = this.#byPriority.get(priority)!;
    const list = lists.get(key)!;
    const entry = list.pop()!;
    lists.delete(key);
    if (lists.size === 0) this.#byPriority.delete(priority);
    this.#begins.delete(priority);
    if (list.length > 0) this.#put(key, list);
    return entry;
  }

  #put(key: string, list: List): void {
    const priority = priorityOf(list.at(-1)!);
    this.#begins.delete(priority);
    const others = this.#byPriority.get(priority);
    if (others) others.set(key, list);
    else this.#byPriority.set(priority, new Map([[key, list]]));
  }

  #begin(priority: number): number {
    const known = this.#begins.get(priority);
    if (known !== undefined) return known;
    const lists = this.#byPriority.get(priority);
    if (!lists) return Number.NaN;
    let oldest = Number.POSITIVE_INFINITY;
    for (const list of lists.values()) oldest = Math.min(oldest, list.at(-1)!.since);
    const begin = oldest - priority * this.#stepMs;
    this.#begins.set(priority, begin);
    return begin;
  }
}

function priorityOf({ priority }: Entry): number {
  return priority ?? PRIORITY.usual;
}

function listOf(user: string, group = ""): string {
  return `${user} ${group}`;
}
