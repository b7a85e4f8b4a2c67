import { randomInt, randomUUID } from "node:crypto";
import { LIMITS } from "#protocol/limits.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import type { EdgeAgent } from "../ledger/edge-agent.ts";
import { ConditionFailed, type Item, type LedgerStore } from "../ports/ledger-store.ts";
import type { PoolNews } from "./pool-news.ts";
import {
  type DemandRecord,
  type EnvironmentRecord,
  type HandedRecord,
  keys,
  type PoolRecord,
  poolKey,
  type ReasonsRecord,
} from "./records.ts";
import type { HandOutRefusal, PoolOwner, Runner } from "./runner-pools.ts";

export type HandOutDeps = {
  store: LedgerStore;
  ledger: {
    inContact(edge: string): Promise<boolean>;
    edgeAgent(edge: string): Promise<EdgeAgent | undefined>;
  };
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

/** The environment was changed between the read and the write. */
const CHANGED = Symbol("changed");

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
  const { store, ledger, news, now } = deps;
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
      const runner = await take(deps, owner, found, options);
      if (runner === CHANGED) continue;
      if (runner) return { runner };
      const onDemand = found.data.spec.prewarmingPoolSize === 0;
      const waitMs = Math.max(options.waitMs ?? 0, onDemand ? LIMITS.runnerOnDemandMs : 0);
      const left = began + waitMs - now();
      if (left <= 0 || options.signal?.aborted) {
        const reasons = await store.get<ReasonsRecord>(keys.reasons(edge));
        const reason = reasons?.data[poolKey(user, environment)];
        return { refused: "empty", ...(reason !== undefined && { reason }) };
      }
      if (onDemand && !demand) {
        demand = keys.demand(edge, user, environment, randomUUID());
        const until = began + waitMs;
        const data: DemandRecord = { user, environment, until };
        await store.transact([{ put: { ...demand, data, expiresAt: until } }]);
        await deps.ring(edge);
      }
      const look = Math.min(LOOK_MS.most, Math.max(LOOK_MS.first, (now() - began) / LOOK_MS.part));
      await news.next(edge, Math.min(left, look), options.signal);
    }
  } finally {
    // it expires by itself: what was handed out must not be lost for it
    if (demand) await store.transact([{ delete: demand }]).catch(() => {});
  }
}

/** @returns undefined: there is none */
async function take(
  { store, now }: HandOutDeps,
  { user, edge }: PoolOwner,
  environment: Item<EnvironmentRecord>,
  { inactivityMs, signal }: HandOutOptions,
): Promise<Runner | typeof CHANGED | undefined> {
  const { generation, id: environmentId } = environment.data;
  const timeout = inactivityMs ? { inactivityMs } : {};
  /** told as idle by the edge, though they were handed out before: nobody gets them twice */
  const handedBefore = new Set<string>();
  for (;;) {
    if (signal?.aborted) return undefined;
    const items = await store.query<PoolRecord>({
      pk: keys.runners(edge),
      prefix: keys.runnersOf(user, environmentId),
      limit: LIMITS.runnerReports,
    });
    const idle = items.filter(
      ({ data }) => data.state === "idle" && data.generation === generation && !handedBefore.has(data.id),
    );
    // Calls of the same moment see the same runners: each tries another, and looks again when it lost, for a read costs
    // a small part of a transaction that fails.
    const chosen = idle[randomInt(Math.max(1, idle.length))];
    if (!chosen) return undefined;
    const { rev, data: pooled, pk, sk } = chosen;
    const at = now();
    const { id, ports } = pooled;
    const used: PoolRecord = { ...pooled, state: "used", since: at, ...timeout };
    const handed: HandedRecord = { edge, generation, since: at, activeAt: at, ports, ...timeout };
    try {
      await store.transact([
        { check: keys.environment(edge, user, environmentId), if: environment.rev },
        { put: { pk, sk, data: used }, if: rev },
        { put: { ...keys.handedRunner(user, id), data: handed }, if: 0 },
      ]);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      if (error.index === 0) return CHANGED;
      if (error.index === 2) handedBefore.add(id);
      continue;
    }
    return { user, edge, id, environment: environmentId, state: "used", since: at, mappedPorts: ports };
  }
}
