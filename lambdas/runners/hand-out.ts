import { randomUUID } from "node:crypto";
import { LIMITS } from "#protocol/limits.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import type { EdgeAgent } from "../ledger/edge-agent.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import type { PoolNews } from "./pool-news.ts";
import { type DemandRecord, type EnvironmentRecord, keys, poolKey, type ReasonsRecord } from "./records.ts";
import type { HandOutRefusal, PoolOwner, Runner } from "./runner-pools.ts";
import { CHANGED, type RunnerTakes } from "./runner-takes.ts";

export type HandOutDeps = {
  store: LedgerStore;
  ledger: {
    inContact(edge: string): Promise<boolean>;
    edgeAgent(edge: string): Promise<EdgeAgent | undefined>;
  };
  takes: RunnerTakes;
  news: PoolNews;
  ring(edge: string): Promise<void>;
  now: () => number;
};

export type HandOutOptions = { inactivityMs?: number; waitMs?: number; signal?: AbortSignal };

/**
 * A waiting call looks by itself this often (ms): another process may have heard of the runner. One that has waited for
 * long looks less often: a user may have hundreds.
 */
const LOOK_MS = { first: 300, most: 3_000, part: 4 };

/** Calls of one user that may wait on one edge for a runner to be started: more than there can be runners of it. */
const MOST_DEMANDS = LIMITS.runners;
const TOO_MANY = `${MOST_DEMANDS} calls of yours wait for a runner to be started`;

async function hasManyDemands(store: LedgerStore, { user, edge }: PoolOwner, now: number): Promise<boolean> {
  const items = await store.query<DemandRecord>({
    pk: keys.demands(edge),
    prefix: keys.demandsOf(user),
    // those of a process that died stay until they are swept
    limit: 2 * MOST_DEMANDS,
  });
  return items.filter(({ data }) => data.until >= now).length >= MOST_DEMANDS;
}

/**
 * Hands an idle runner of the environment's present generation out, in one transaction on condition of both: no two
 * calls get one, and none gets one of an earlier generation.
 */
export async function handOut(
  deps: HandOutDeps,
  owner: PoolOwner,
  environment: number,
  options: HandOutOptions,
): Promise<{ runner: Runner } | HandOutRefusal> {
  const { store, ledger, takes, news, now } = deps;
  const { inactivityMs, signal } = options;
  const { user, edge } = owner;
  const began = now();
  let demand: ReturnType<typeof keys.demand> | undefined;
  try {
    for (;;) {
      const [found, agent, inContact] = await Promise.all([
        store.get<EnvironmentRecord>(keys.environment(edge, user, environment)),
        ledger.edgeAgent(edge),
        ledger.inContact(edge),
      ]);
      if (!found) return { refused: "unknown" };
      if (agent && !agent.features?.includes(RUNNERS_FEATURE)) return { refused: "unsupported" };
      if (!inContact) return { refused: "unreachable" };
      const runner = await takes.take({ owner, environment: found, inactivityMs, signal });
      if (runner === CHANGED) continue;
      if (runner) return { runner };
      const onDemand = found.data.spec.prewarmingPoolSize === 0;
      const waitMs = Math.max(options.waitMs ?? 0, onDemand ? LIMITS.runnerOnDemandMs : 0);
      const left = began + waitMs - now();
      if (left <= 0 || signal?.aborted) {
        const reasons = await store.get<ReasonsRecord>(keys.reasons(edge));
        const reason = reasons?.data[poolKey(user, environment)];
        return { refused: "empty", ...(reason !== undefined && { reason }) };
      }
      if (onDemand && !demand) {
        if (await hasManyDemands(store, owner, now())) return { refused: "empty", reason: TOO_MANY };
        demand = keys.demand(edge, user, environment, randomUUID());
        const until = began + waitMs;
        const data: DemandRecord = { user, environment, until };
        await store.transact([{ put: { ...demand, data, expiresAt: until } }]);
        await deps.ring(edge);
      }
      const look = Math.min(LOOK_MS.most, Math.max(LOOK_MS.first, (now() - began) / LOOK_MS.part));
      await news.next(edge, Math.min(left, look), signal);
    }
  } finally {
    // it expires by itself: what was handed out must not be lost for it
    if (demand) await store.transact([{ delete: demand }]).catch(() => {});
  }
}
