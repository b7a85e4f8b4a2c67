import { LIMITS } from "#protocol/limits.ts";
import type { PoolRequest, PoolResponse } from "#protocol/pool-wire.ts";
import { type Item, type LedgerStore, MAX_WRITES, type Write } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";
import { type Reconciled, type RunnerChange, reconcile } from "./reconcile.ts";
import {
  type CompareRecord,
  type CounterRecord,
  type DemandRecord,
  type EnvironmentRecord,
  type HandedRecord,
  keys,
  type PoolRecord,
  poolKey,
  type ReasonsRecord,
} from "./records.ts";

export type ExchangeDeps = { store: LedgerStore; now: () => number };

type Told = Omit<PoolRequest, "epoch">;

/** `added`: runners that can be handed out from now on. */
export type Exchanged = { answer: PoolResponse; added: { user: string; id: string }[] };

const MOST_READ = 10_000;

/** Takes in what an edge says of its runners, and says what became of them here. */
export async function exchange(deps: ExchangeDeps, edge: string, told: Told): Promise<Exchanged> {
  return optimistically(async () => {
    const { store, now } = deps;
    const [counter, pools, items] = await Promise.all([
      store.get<CounterRecord>(keys.counter(edge)),
      store.query<unknown>({ pk: keys.pools(edge), limit: MOST_READ }),
      store.query<PoolRecord>({ pk: keys.runners(edge), limit: MOST_READ }),
    ]);
    // what was not read would be taken for what is not there, and runners end for it
    if (Math.max(pools.length, items.length) >= MOST_READ) throw new Error("too many records of pools");
    const seen = sorted(pools);
    const known = new Map(items.map((item) => [item.data.id, item]));
    const records = new Map(items.map(({ data }) => [data.id, data]));
    const at = now();
    const result = reconcile(told, seen.environments, records, at);
    const writes = await writesOf(deps, edge, result, known, at);
    writes.push(...besideWrites(edge, told, seen, at));
    await write(store, writes);
    const demand = demandOf(await demandsOn(store, edge, seen), at);
    return {
      added: result.changes.flatMap((change) => (change.do === "add" ? [change.report] : [])),
      answer: {
        pools: counter?.data.counter ?? 0,
        ...(!result.equal && { list: result.list.slice(0, LIMITS.runnerReports) }),
        demand,
        ...(seen.compare &&
          seen.compare.data.asked !== told.compared && { compare: seen.compare.data.asked }),
      },
    };
  });
}

type Seen = {
  environments: Map<string, EnvironmentRecord>;
  reasons?: Item<ReasonsRecord>;
  compare?: Item<CompareRecord>;
};

/** Calls wait for runners of pools of size 0 alone. Of those that are not read the edge hears when others have ended. */
async function demandsOn(store: LedgerStore, edge: string, { environments }: Seen): Promise<DemandRecord[]> {
  if (![...environments.values()].some(({ spec }) => spec.prewarmingPoolSize === 0)) return [];
  const items = await store.query<DemandRecord>({ pk: keys.demands(edge), limit: MOST_READ });
  return items.map(({ data }) => data);
}

function sorted(items: readonly Item<unknown>[]): Seen {
  const seen: Seen = { environments: new Map() };
  for (const item of items) {
    if (item.sk.startsWith("env#")) {
      const data = item.data as EnvironmentRecord;
      seen.environments.set(poolKey(data.user, data.id), data);
    } else if (item.sk === "reasons") seen.reasons = item as Item<ReasonsRecord>;
    else if (item.sk === "compare") seen.compare = item as Item<CompareRecord>;
  }
  return seen;
}

/** Each change's writes belong together; all are on condition of what was read. */
async function writesOf(
  { store }: ExchangeDeps,
  edge: string,
  { changes }: Reconciled,
  known: ReadonlyMap<string, Item<PoolRecord>>,
  at: number,
): Promise<Write[][]> {
  const changed = async (change: RunnerChange): Promise<Write[]> => {
    if (change.do === "add") {
      const { user, id, generation, ports = [] } = change.report;
      const data: PoolRecord = { user, id, generation, state: "idle", since: at, ports };
      return [{ put: { ...keys.runner(edge, user, id), data }, if: 0 }];
    }
    const { pk, sk, rev, data } = known.get(change.id)!;
    const gone: Write = { delete: { pk, sk }, if: rev };
    if (!change.end) return [gone];
    const key = keys.handedRunner(data.user, data.id);
    const handed = await store.get<HandedRecord>(key);
    if (!handed || handed.data.end) return [gone];
    const ended: HandedRecord = { ...handed.data, end: change.end, endedAt: at };
    const expiresAt = at + LIMITS.runnerEndsMs;
    return [gone, { put: { ...key, data: ended, expiresAt }, if: handed.rev }];
  };
  return Promise.all(changes.map(changed));
}

function besideWrites(edge: string, told: Told, { reasons, compare }: Seen, at: number): Write[][] {
  const writes: Write[][] = [];
  if (told.reasons) {
    const data: ReasonsRecord = {};
    for (const { user, environment, reason } of told.reasons) data[poolKey(user, environment)] = reason;
    if (JSON.stringify(data) !== JSON.stringify(reasons?.data ?? {})) {
      writes.push([{ put: { ...keys.reasons(edge), data }, if: reasons?.rev ?? 0 }]);
    }
  }
  // An answered question goes; so does one that nobody can be waiting for any more.
  const answered = compare && (compare.data.asked === told.compared || (compare.expiresAt ?? at) < at);
  if (answered) writes.push([{ delete: keys.compare(edge), if: compare.rev }]);
  return writes;
}

/** @throws ConditionFailed when another change was faster: what was written before it stays, and is seen by the next try */
async function write(store: LedgerStore, groups: readonly Write[][]): Promise<void> {
  let batch: Write[] = [];
  for (const group of groups) {
    if (batch.length + group.length > MAX_WRITES) {
      await store.transact(batch);
      batch = [];
    }
    batch.push(...group);
  }
  if (batch.length > 0) await store.transact(batch);
}

function demandOf(demands: readonly DemandRecord[], now: number): PoolResponse["demand"] {
  const counts = new Map<string, PoolResponse["demand"][number]>();
  for (const { user, environment, until } of demands) {
    if (until < now) continue;
    const key = poolKey(user, environment);
    counts.set(key, { user, environment, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}
