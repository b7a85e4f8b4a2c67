import type { GroundRunner, PoolRequest, RunnerReport } from "#protocol/pool-wire.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { environmentOf, type RunnerEnd } from "#protocol/runners.ts";
import { type EnvironmentRecord, type PoolRecord, poolKey } from "./records.ts";

/** What becomes of one runner in the ground's records. */
export type RunnerChange =
  /** becomes claimable */
  | { do: "add"; report: RunnerReport }
  /** is forgotten; one that was handed out gets its end */
  | { do: "drop"; id: string; end?: RunnerEnd };

export type Reconciled = {
  changes: RunnerChange[];
  /** what the ground holds then */
  list: GroundRunner[];
  /** the edge's digest is that of the list */
  equal: boolean;
};

type Told = Pick<PoolRequest, "digest" | "changed" | "withdraw" | "list">;

/**
 * The rules by which the edge's word changes the ground's records (docs/decisions/221-comparing-runners.md). Pure.
 * @param environments by {@link poolKey}
 * @param known the edge's runners, by id
 */
export function reconcile(
  told: Told,
  environments: ReadonlyMap<string, Pick<EnvironmentRecord, "generation">>,
  known: ReadonlyMap<string, PoolRecord>,
  now: number,
): Reconciled {
  const generationOf = (user: string, id: string) =>
    environments.get(poolKey(user, environmentOf(id)))?.generation;
  const isCurrent = ({ user, id, generation }: Pick<PoolRecord, "user" | "id" | "generation">) =>
    generationOf(user, id) === generation;
  const changes = new Map<string, RunnerChange>();
  const drop = (record: PoolRecord, end: RunnerEnd) => {
    const { id, user } = record;
    const left = isCurrent(record) ? end : generationOf(user, id) === undefined ? "deleted" : "replaced";
    changes.set(id, { do: "drop", id, ...(record.state === "used" && { end: left }) });
  };

  for (const report of [...told.changed, ...(told.list ?? [])]) {
    const record = known.get(report.id);
    if (report.state === "gone") {
      if (record) drop(record, report.end ?? "lost");
      else changes.delete(report.id);
    } else if (report.state === "idle" && !record && isCurrent(report)) {
      changes.set(report.id, { do: "add", report });
    }
  }
  for (const id of told.withdraw ?? []) {
    const record = known.get(id);
    if (record?.state === "idle") drop(record, "lost");
  }
  if (told.list) {
    const there = new Set(told.list.flatMap(({ id, state }) => (state === "gone" ? [] : [id])));
    for (const [id, record] of known) if (!there.has(id) && !changes.has(id)) drop(record, "lost");
    for (const [id, change] of changes) if (change.do === "add" && !there.has(id)) changes.delete(id);
  }

  const list = listAfter(known, changes, isCurrent, now);
  const equal = runnerDigest(list) === told.digest;
  // What the ground has ended is kept until the edge has it no more.
  if (equal) {
    for (const [id, record] of known) {
      const ended = record.state === "ended" || !isCurrent(record);
      if (ended && !changes.has(id)) drop(record, "lost");
    }
  }
  return { changes: [...changes.values()], list, equal };
}

function listAfter(
  known: ReadonlyMap<string, PoolRecord>,
  changes: ReadonlyMap<string, RunnerChange>,
  isCurrent: (record: PoolRecord) => boolean,
  now: number,
): GroundRunner[] {
  const list: GroundRunner[] = [];
  for (const [id, record] of known) {
    const { state, since, inactivityMs } = record;
    if (changes.get(id)?.do === "drop" || state === "ended" || !isCurrent(record)) continue;
    if (state === "idle") list.push({ id, state });
    else list.push({ id, state, ageMs: Math.max(0, now - since), ...(inactivityMs && { inactivityMs }) });
  }
  for (const change of changes.values())
    if (change.do === "add") list.push({ id: change.report.id, state: "idle" });
  return list;
}
