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
  /** most of one user, where several users have pools */
  mostOfUser: number;
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
  /** keys of pools that are smaller than wanted because the edge, or their user, has no room */
  short: string[];
};

/**
 * What is to be done so that every pool has as many idle runners as wanted, as far as there is room. Pure.
 * It never exceeds `most`, and runners that were handed out stay. Pools share room in turns: each gets one more before
 * any gets two more. Where several users have pools, none has all starts, for those of images that never come up would
 * keep the others waiting; and no user's runners take all room, for used ones stay.
 */
export function planRunners({ wanted, runners, most, mostOfUser, starts, blocked }: PlanInput): RunnerPlan {
  const pools = new Map(wanted.map((pool) => [pool.key, pool]));
  const plan: RunnerPlan = { start: [], end: [], withdraw: [], short: [] };
  const filling = new Map<string, PlannedRunner[]>(wanted.map(({ key }) => [key, []]));
  const several = new Set(wanted.map(({ key }) => userOf(key))).size > 1;
  const places = new Places(most, several ? mostOfUser : most);
  let starting = 0;
  for (const runner of runners) {
    const pool = pools.get(runner.pool);
    const current = pool?.generation === runner.generation;
    if (runner.state === "starting") starting++;
    if (current && (runner.state === "starting" || runner.state === "idle")) {
      filling.get(runner.pool)!.push(runner);
      continue;
    }
    places.take(runner.pool);
    if (!current && runner.state !== "ending") {
      plan.end.push({ id: runner.id, why: pool ? "replaced" : "deleted" });
    }
  }

  const count = (key: string) => filling.get(key)!.length;
  const sizes = new Map(
    wanted.map(({ key, size }) => [key, blocked.has(key) ? Math.min(size, count(key)) : size]),
  );
  const targets = shareRoom(sizes, places, count);
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

/** What is left of the edge's room, and of each user's part in it. */
class Places {
  #left: number;
  readonly #mostOfUser: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number, mostOfUser: number) {
    this.#left = most;
    this.#mostOfUser = mostOfUser;
  }

  get left(): number {
    return Math.max(0, this.#left);
  }

  /** For how many more runners of a pool there are places. */
  for(key: string): number {
    const own = this.#mostOfUser - (this.#taken.get(userOf(key)) ?? 0);
    return Math.max(0, Math.min(this.#left, own));
  }

  take(key: string, count = 1): void {
    this.#left -= count;
    this.#taken.set(userOf(key), (this.#taken.get(userOf(key)) ?? 0) + count);
  }
}

/** Gives room out one by one in turns, until all have what they want; the last turn goes to those that have it already. */
function shareRoom(
  sizes: ReadonlyMap<string, number>,
  places: Places,
  count: (key: string) => number,
): Map<string, number> {
  const shares = new Map([...sizes.keys()].map((key) => [key, 0]));
  const give = (key: string, most: number) => {
    const more = Math.min(most, sizes.get(key)! - shares.get(key)!, places.for(key));
    shares.set(key, shares.get(key)! + more);
    places.take(key, more);
  };
  for (;;) {
    const lacking = [...sizes.keys()].filter(
      (key) => shares.get(key)! < sizes.get(key)! && places.for(key) > 0,
    );
    if (lacking.length === 0) return shares;
    // a user's last places go round the user's pools, as the edge's do round all
    const turns = Math.min(...lacking.map((key) => Math.floor(partOf(key, lacking, places))));
    if (turns > 0) {
      for (const key of lacking) give(key, turns);
      continue;
    }
    lacking.sort((a, b) => count(b) - count(a) || (a < b ? -1 : 1));
    for (const key of lacking) give(key, 1);
  }
}

/** How many turns there are places for. */
function partOf(key: string, lacking: readonly string[], places: Places): number {
  const own = lacking.filter((one) => userOf(one) === userOf(key)).length;
  return Math.min(places.left / lacking.length, places.for(key) / own);
}
