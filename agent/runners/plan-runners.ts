import type { RunnerRecord } from "./runner-record.ts";

/** A pool: how many idle runners it is to have. */
export type WantedPool = { key: string; generation: number; size: number };

/** A runner as the planner sees it: `pool` is the key of its environment. */
export type PlannedRunner = Pick<RunnerRecord, "id" | "generation" | "state"> & { pool: string };

export type PlanInput = {
  wanted: readonly WantedPool[];
  runners: readonly PlannedRunner[];
  /** most runners of the edge, whatever their state */
  most: number;
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
  /** keys of pools that are smaller than wanted because the edge has no room */
  short: string[];
};

/**
 * What is to be done so that every pool has as many idle runners as wanted, as far as there is room. Pure.
 * It never exceeds `most`, and runners that were handed out stay. Pools share room in turns: each gets one more before
 * any gets two more. Where several users have pools, none has all starts: those of images that never come up would keep
 * the others waiting.
 */
export function planRunners({ wanted, runners, most, starts, blocked }: PlanInput): RunnerPlan {
  const pools = new Map(wanted.map((pool) => [pool.key, pool]));
  const plan: RunnerPlan = { start: [], end: [], withdraw: [], short: [] };
  const filling = new Map<string, PlannedRunner[]>(wanted.map(({ key }) => [key, []]));
  let held = 0;
  let starting = 0;
  for (const runner of runners) {
    const pool = pools.get(runner.pool);
    const current = pool?.generation === runner.generation;
    if (runner.state === "starting") starting++;
    if (current && (runner.state === "starting" || runner.state === "idle")) {
      filling.get(runner.pool)!.push(runner);
      continue;
    }
    held++;
    if (!current && runner.state !== "ending") {
      plan.end.push({ id: runner.id, why: pool ? "replaced" : "deleted" });
    }
  }

  const count = (key: string) => filling.get(key)!.length;
  const sizes = new Map(
    wanted.map(({ key, size }) => [key, blocked.has(key) ? Math.min(size, count(key)) : size]),
  );
  const targets = shareRoom(sizes, Math.max(0, most - held), count);
  for (const { key, size } of wanted) {
    const target = targets.get(key)!;
    if (target < Math.min(size, sizes.get(key)!)) plan.short.push(key);
    // one that is not ready yet goes first
    const own = [...filling.get(key)!].sort((a, b) => order(a) - order(b) || a.id.localeCompare(b.id));
    for (const { id, state } of own.slice(0, Math.max(0, own.length - target))) {
      if (state === "starting") plan.end.push({ id, why: "surplus" });
      else plan.withdraw.push(id);
    }
  }

  let room = Math.min(most - runners.length, starts - starting);
  const have = new Map(wanted.map(({ key }) => [key, count(key)]));
  const several = new Set(wanted.map(({ key }) => userOf(key))).size > 1;
  const mostOfOne = several ? Math.max(1, starts - 1) : starts;
  const startsOf = new Map<string, number>();
  const begun = (key: string) => startsOf.get(userOf(key)) ?? 0;
  const begin = (key: string) => startsOf.set(userOf(key), begun(key) + 1);
  for (const { pool, state } of runners) if (state === "starting") begin(pool);
  while (room > 0) {
    const lacking = wanted.filter(({ key }) => have.get(key)! < targets.get(key)! && begun(key) < mostOfOne);
    const [next] = lacking.sort((a, b) => begun(a.key) - begun(b.key) || have.get(a.key)! - have.get(b.key)!);
    if (!next) break;
    plan.start.push(next.key);
    begin(next.key);
    have.set(next.key, have.get(next.key)! + 1);
    room--;
  }
  return plan;
}

/** @param key `<user>#<environment>` */
const userOf = (key: string): string => key.slice(0, key.lastIndexOf("#"));

const order = ({ state }: PlannedRunner): number => (state === "starting" ? 0 : 1);

/** Gives room out one by one in turns, until all have what they want; the last turn goes to those that have it already. */
function shareRoom(
  sizes: ReadonlyMap<string, number>,
  room: number,
  count: (key: string) => number,
): Map<string, number> {
  const shares = new Map([...sizes.keys()].map((key) => [key, 0]));
  let left = room;
  for (;;) {
    const lacking = [...sizes.keys()].filter((key) => shares.get(key)! < sizes.get(key)!);
    if (lacking.length === 0 || left === 0) return shares;
    const turns = Math.floor(left / lacking.length);
    if (turns === 0) {
      lacking.sort((a, b) => count(b) - count(a) || (a < b ? -1 : 1));
      for (const key of lacking.slice(0, left)) shares.set(key, shares.get(key)! + 1);
      return shares;
    }
    for (const key of lacking) {
      const more = Math.min(turns, sizes.get(key)! - shares.get(key)!);
      shares.set(key, shares.get(key)! + more);
      left -= more;
    }
  }
}
