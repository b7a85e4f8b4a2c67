import { LIMITS } from "#protocol/limits.ts";
import { isTerminal } from "#protocol/state.ts";
import { type Item, MAX_WRITES, type Write } from "../ports/ledger-store.ts";
import { fitting } from "./claim-budget.ts";
import type { Command } from "./command.ts";
import type { EdgeSeen } from "./edge-lanes.ts";
import type { Entry } from "./entry.ts";
import { type Lane, release } from "./lane.ts";
import type { LaneSeen } from "./lane-change.ts";
import type { LedgerDeps } from "./ledger-deps.ts";
import { requireEpoch } from "./refusals.ts";

/** Commands that one claim hands out again: each is one write, beside its lane's. */
const MOST = MAX_WRITES - 2;

type Resumed = { resumed: Command[]; complete: boolean; changed: ReadonlySet<string> };

/** Hands out again what runs and what the agent does not have; `changed`: lanes that are not as they were seen. */
export async function resume(
  deps: LedgerDeps,
  edge: string,
  seen: EdgeSeen,
  { epoch, have = [] }: { epoch: number; have?: readonly string[] | undefined },
): Promise<Resumed> {
  const has = new Set(have);
  const wanted = [...seen.lanes].flatMap(([lane, of]) =>
    of.lane.running
      .filter(({ id, claim }) => claim && (claim.by !== epoch || !has.has(id)))
      .map((entry) => ({ lane, entry })),
  );
  // stable: within one claim as it was answered, lane by lane
  wanted.sort(({ entry: a }, { entry: b }) => byClaim(a, b));
  const some = wanted.slice(0, MOST);
  const items = await Promise.all(some.map(({ entry: { user, id } }) => deps.changes.item(user, id)));
  const count = fitting(
    items.map((item) => item?.data),
    LIMITS.claimBytes,
  );
  const lanes = Map.groupBy(some.slice(0, count).keys(), (i) => some[i]!.lane);
  const found = await Promise.all(
    [...lanes].map(([lane, indexes]) =>
      resumeInLane(deps, {
        edge,
        lane,
        epoch,
        entries: indexes.map((i) => some[i]!.entry),
        items: indexes.map((i) => items[i]),
        seen: seen.lanes.get(lane)!,
      }),
    ),
  );
  const byId = new Map(found.flat().map((command) => [command.id, command]));
  return {
    resumed: some.flatMap(({ entry }) => byId.get(entry.id) ?? []),
    complete: count === wanted.length,
    changed: new Set(lanes.keys()),
  };
}

/** Hands out again commands of one lane; those that have ended meanwhile are left out. */
export async function resumeInLane(
  deps: LedgerDeps,
  of: {
    edge: string;
    lane: string;
    epoch: number;
    entries: Entry[];
    seen: LaneSeen;
    items?: (Item<Command> | undefined)[];
  },
): Promise<Command[]> {
  const { edge, lane, epoch, entries, seen } = of;
  let known = of.items;
  return deps.changes.change<Command[], (Item<Command> | undefined)[]>({
    edge,
    lane,
    seen,
    async read() {
      const items = known ?? (await Promise.all(entries.map(({ user, id }) => deps.changes.item(user, id))));
      known = undefined;
      return items;
    },
    attempt(current, items) {
      requireEpoch(current, epoch);
      let next = current;
      const writes: Write[] = [];
      const value: Command[] = [];
      for (const [i, { id }] of entries.entries()) {
        const entry = current.running.find((other) => other.id === id);
        if (!entry?.claim) continue;
        const item = items[i];
        if (!item || isTerminal(item.data.state)) {
          // Cannot be: lane and command change together. Do not let a broken pair hold a place for ever.
          next = release(next, id);
          continue;
        }
        const isNew = item.data.epoch !== epoch;
        const command = isNew ? { ...item.data, epoch, attempts: item.data.attempts + 1 } : item.data;
        if (isNew) writes.push(deps.changes.put(command, item.rev));
        if (entry.claim.by !== epoch) next = takenOver(next, id, epoch);
        value.push(command);
      }
      return { ...(next !== current && { lane: next }), writes, value };
    },
  });
}

function takenOver(lane: Lane, id: string, by: number): Lane {
  const running = lane.running.map((entry) =>
    entry.id === id && entry.claim ? { ...entry, claim: { ...entry.claim, by } } : entry,
  );
  return { ...lane, running };
}

function byClaim(a: Entry, b: Entry): number {
  return a.claim!.epoch - b.claim!.epoch || a.claim!.turn - b.claim!.turn;
}
