import { PerigeeError } from "#protocol/errors.ts";
import { ConditionFailed, type LedgerStore, MAX_WRITES, type Write } from "../ports/ledger-store.ts";
import type { Lane } from "./lane.ts";
import type { Change, LaneSeen } from "./lane-change.ts";
import type { AnyTurn } from "./lane-turns.ts";

type Deps = {
  store: LedgerStore;
  changes: {
    see(edge: string, lane: string): Promise<LaneSeen>;
    rotated(name: string, lane: Lane): Lane;
    laneWrites(edge: string, name: string, lane: Lane, seen: LaneSeen): Write[];
  };
  /** makes and settles one change in a transaction of its own */
  alone(turn: AnyTurn): Promise<void>;
};

/** Beside the lane's record and the edge's state. */
const MOST_WRITES = MAX_WRITES - 2;

/**
 * Makes changes of one lane in one transaction: each decides on the lane as those before it leave it. The result is
 * that of the same changes one after the other, because none of them writes, or decides by, what another one writes
 * beside the lane. Nobody hears of a decision, a refusal neither, before what it rests on is durable. Whatever the store
 * refuses is made again one by one.
 * @returns those that did not go with it, in order
 */
export async function landTogether(
  { store, changes, alone }: Deps,
  turns: readonly AnyTurn[],
): Promise<AnyTurn[]> {
  const { edge, lane: name } = turns[0]!.change;
  // asked for in the same turn of the event loop
  const asked = turns.map(({ change }) => change.read());
  const [[found], reads] = await Promise.all([
    Promise.allSettled([changes.see(edge, name)]),
    Promise.allSettled(asked),
  ]);
  if (found!.status === "rejected") {
    for (const { reject } of turns) reject(found!.reason);
    return [];
  }
  const seen: LaneSeen = found!.value;
  const ready = await prepared(turns, reads, seen);

  let lane = seen.lane;
  let changed = false;
  const writes: Write[] = [];
  const written = new Set<string>();
  const decided: { turn: AnyTurn; settle: () => void }[] = [];
  for (const { turn, read } of ready) {
    let change: Change<unknown>;
    try {
      change = await turn.change.attempt(lane, read, 0);
    } catch (error) {
      // it has lost a race already
      if (error instanceof ConditionFailed) break;
      decided.push({ turn, settle: () => turn.reject(error) });
      continue;
    }
    const { records } = change;
    const own = [...(change.writes ?? []), ...(records?.writes ?? [])];
    if (writes.length + own.length > MOST_WRITES || own.some((write) => written.has(keyOf(write)))) break;
    for (const write of own) written.add(keyOf(write));
    writes.push(...own);
    if (change.lane) {
      lane = changes.rotated(name, change.lane);
      changed = true;
    }
    decided.push({
      turn,
      settle() {
        if (records?.failed !== undefined) records.leftOut(records.failed);
        turn.resolve(change.value);
      },
    });
  }
  const rest = ready.slice(decided.length).map(({ turn }) => turn);
  if (decided.length === 0) {
    const [first, ...others] = rest;
    if (first) await alone(first);
    return others;
  }
  try {
    const all = [...(changed ? changes.laneWrites(edge, name, lane, seen) : []), ...writes];
    if (all.length > 0) await store.transact(all);
  } catch (error) {
    for (const { turn } of decided) {
      if (wroteNothing(error)) await alone(turn);
      else turn.reject(error);
    }
    return rest;
  }
  for (const { settle } of decided) settle();
  return rest;
}

/** Those whose reads and preparations went well; the others are told. */
async function prepared(
  turns: readonly AnyTurn[],
  reads: readonly PromiseSettledResult<unknown>[],
  { lane }: LaneSeen,
): Promise<{ turn: AnyTurn; read: unknown }[]> {
  const all = await Promise.all(
    turns.map(async (turn, n) => {
      try {
        const result = reads[n]!;
        if (result.status === "rejected") throw result.reason;
        if (!turn.prepared) await turn.change.prepare?.(lane, result.value);
        turn.prepared = true;
        return [{ turn, read: result.value }];
      } catch (error) {
        turn.reject(error);
        return [];
      }
    }),
  );
  return all.flat();
}

/** The store refused the transaction as a whole. After any other error it may have landed. */
function wroteNothing(error: unknown): boolean {
  return [ConditionFailed, RangeError, TypeError, PerigeeError].some((kind) => error instanceof kind);
}

function keyOf(write: Write): string {
  const { pk, sk } = "put" in write ? write.put : "delete" in write ? write.delete : write.check;
  return JSON.stringify([pk, sk]);
}
