import { Places, type Room, userOf } from "./places.ts";
import type { RunnerRecord } from "./runner-record.ts";

/** A pool: how many idle runners it is to have. `ports`: that each opens on the edge (default none). */
export type WantedPool = { key: string; generation: number; size: number; ports?: number };

/** A runner as the planner sees it: `pool` is the key of its environment, `ports` are those that it has (default none). */
export type PlannedRunner = Pick<RunnerRecord, "id" | "generation" | "state"> & {
  pool: string;
  ports?: number;
};

export type PlanInput = {
  wanted: readonly WantedPool[];
  runners: readonly PlannedRunner[];
  /** most runners of the edge, whatever their state */
  most: number;
  /** most of one user, where several users have pools */
  mostOfUser: number;
  /** most ports of all runners, and of those of one user (default: without a bound) */
  ports?: Room;
  /** most of them that are being started at once */
  starts: number;
  /** pools that are not filled further at present: their image cannot serve */
  blocked: ReadonlySet<string>;
};

export type RunnerPlan = {
  /** keys of pools that get another runner, in order */
  start: string[];
  /** ids of runners that end now */
  end: { id: string; why: "replaced" | "deleted" | "surplus" }[];
  /** ids of idle runners that are too many: the ground has to give them back first */
  withdraw: string[];
  /** keys of pools that are smaller than wanted because the edge, or their user, has no room, and what there is no room for */
  short: Map<string, "runners" | "ports">;
};

/**
 * What is to be done so that every pool has as many idle runners as wanted, as far as there is room. Pure.
 * It never exceeds `most`, and runners that were handed out stay. Pools share room in turns: each gets one more before
 * any gets two more. Where several users have pools, no user's runners take all room, for used ones stay, and
 * none has all starts, for those of images that never come up would keep the others waiting: of one who had them all
 * while alone, the last that was begun ends.
 */
export function planRunners({ wanted, runners, blocked, ...bounds }: PlanInput): RunnerPlan {
  const { most, mostOfUser, starts, ports = UNBOUNDED } = bounds;
  const pools = new Map(wanted.map((pool) => [pool.key, pool]));
  const plan: RunnerPlan = { start: [], end: [], withdraw: [], short: new Map() };
  const filling = new Map<string, PlannedRunner[]>(wanted.map(({ key }) => [key, []]));
  const several = new Set(wanted.map(({ key }) => userOf(key))).size > 1;
  const places = new Places({ most, mostOfUser: several ? mostOfUser : most }, ports);
  let starting = 0;
  let portsLeft = ports.most;
  for (const runner of runners) {
    const pool = pools.get(runner.pool);
    const current = pool?.generation === runner.generation;
    const opened = (current && runner.state === "starting" ? pool.ports : runner.ports) ?? 0;
    portsLeft -= opened;
    if (runner.state === "starting") starting++;
    if (current && (runner.state === "starting" || runner.state === "idle")) {
      filling.get(runner.pool)!.push(runner);
      continue;
    }
    places.take({ key: runner.pool, ports: opened });
    if (!current && runner.state !== "ending") {
      plan.end.push({ id: runner.id, why: pool ? "replaced" : "deleted" });
    }
  }

  const count = (key: string) => filling.get(key)!.length;
  const sizes = new Map(
    wanted.map(({ key, size }) => [key, blocked.has(key) ? Math.min(size, count(key)) : size]),
  );
  const targets = shareRoom(pools, sizes, places, count);
  for (const { key, size } of wanted) {
    const target = targets.get(key)!;
    if (target < Math.min(size, sizes.get(key)!)) plan.short.set(key, places.lacking(pools.get(key)!));
    // one that is not ready yet goes first
    const own = [...filling.get(key)!].sort((a, b) => order(a) - order(b) || a.id.localeCompare(b.id));
    for (const { id, state } of own.slice(0, Math.max(0, own.length - target))) {
      if (state === "starting") plan.end.push({ id, why: "surplus" });
      else plan.withdraw.push(id);
    }
  }

  let room = Math.min(most - runners.length, starts - starting);
  const have = new Map(wanted.map(({ key }) => [key, count(key)]));
  const mostOfOne = several ? Math.max(1, starts - 1) : starts;
  const startsOf = new Map<string, number>();
  const begun = (key: string) => startsOf.get(userOf(key)) ?? 0;
  const begin = (key: string) => startsOf.set(userOf(key), begun(key) + 1);
  for (const { pool, state } of runners) if (state === "starting") begin(pool);
  const lacks = ({ key }: WantedPool) => have.get(key)! < targets.get(key)! && begun(key) < mostOfOne;
  while (room > 0) {
    const lacking = wanted.filter((pool) => lacks(pool) && (pool.ports ?? 0) <= portsLeft);
    const [next] = lacking.sort((a, b) => begun(a.key) - begun(b.key) || have.get(a.key)! - have.get(b.key)!);
    if (!next) break;
    plan.start.push(next.key);
    begin(next.key);
    have.set(next.key, have.get(next.key)! + 1);
    portsLeft -= next.ports ?? 0;
    room--;
  }
  const last = runners.findLast(({ pool, state }) => state === "starting" && begun(pool) > mostOfOne);
  const ended = plan.end.some(({ id }) => id === last?.id);
  if (last && !ended && wanted.some(lacks)) plan.end.push({ id: last.id, why: "surplus" });
  return plan;
}

const UNBOUNDED: Room = { most: Number.POSITIVE_INFINITY, mostOfUser: Number.POSITIVE_INFINITY };

const order = ({ state }: PlannedRunner): number => (state === "starting" ? 0 : 1);

/** Gives room out one by one in turns, until all have what they want; the last turn goes to those that have it already. */
function shareRoom(
  pools: ReadonlyMap<string, WantedPool>,
  sizes: ReadonlyMap<string, number>,
  places: Places,
  count: (key: string) => number,
): Map<string, number> {
  const shares = new Map([...sizes.keys()].map((key) => [key, 0]));
  const give = (pool: WantedPool, most: number) => {
    const { key } = pool;
    const more = Math.min(most, sizes.get(key)! - shares.get(key)!, places.for(pool));
    shares.set(key, shares.get(key)! + more);
    places.take(pool, more);
  };
  for (;;) {
    const lacking = [...pools.values()].filter(
      (pool) => shares.get(pool.key)! < sizes.get(pool.key)! && places.for(pool) > 0,
    );
    if (lacking.length === 0) return shares;
    const turns = places.turns(lacking);
    if (turns > 0) {
      for (const pool of lacking) give(pool, turns);
      continue;
    }
    lacking.sort((a, b) => count(b.key) - count(a.key) || (a.key < b.key ? -1 : 1));
    for (const pool of lacking) give(pool, 1);
  }
}
