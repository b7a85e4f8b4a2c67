import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "#protocol/limits.ts";
import type { PoolRequest, PoolResponse, WantedPools } from "#protocol/pool-wire.ts";
import { environmentOf, type RunnerEnd } from "#protocol/runners.ts";
import type { EdgeAgent } from "../ledger/edge-agent.ts";
import type { Doorbell } from "../ports/doorbell.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import { Environments } from "./environments.ts";
import { exchange } from "./exchange.ts";
import { type HandOutDeps, type HandOutOptions, handOut } from "./hand-out.ts";
import { HandedRunners } from "./handed-runners.ts";
import { PoolNews } from "./pool-news.ts";
import {
  type CompareRecord,
  type CounterRecord,
  type EnvironmentRecord,
  keys,
  type PoolRecord,
  poolKey,
  type ReasonsRecord,
} from "./records.ts";
import { RefillTimes } from "./refill-times.ts";
import type {
  Environment,
  HandOutRefusal,
  PoolOwner,
  Put,
  Runner,
  RunnerPools,
  Statistics,
} from "./runner-pools.ts";
import { RunnerTakes } from "./runner-takes.ts";

export type StoredRunnerPoolsDeps = {
  store: LedgerStore;
  doorbell: Doorbell;
  ledger: {
    inContact(edge: string): Promise<boolean>;
    edgeAgent(edge: string): Promise<EdgeAgent | undefined>;
  };
  /** ids of all edges */
  edges(): Promise<string[]>;
  now: () => number;
  /** for metrics */
  told?: { handedOut(): void; refilled(ms: number): void };
};

/** A pool as the ground knows it. */
export type PoolState = Statistics & { reason?: string };

/** Who waits for a comparison looks this often (ms). */
const COMPARE_LOOK_MS = 100;

const isNumber = (value: unknown): value is number => typeof value === "number";

/** {@link RunnerPools} over the ledger's store, and what the agent's routes need of it. */
export class StoredRunnerPools implements RunnerPools {
  readonly #deps: StoredRunnerPoolsDeps;
  readonly #environments: Environments;
  readonly #handed: HandedRunners;
  readonly #takes: RunnerTakes;
  readonly #news = new PoolNews();
  readonly #refills: RefillTimes;
  #asked = 0;

  constructor(deps: StoredRunnerPoolsDeps) {
    this.#deps = deps;
    this.#environments = new Environments(deps.store, deps.now);
    this.#handed = new HandedRunners(deps.store, deps.now);
    this.#takes = new RunnerTakes(deps.store, deps.now);
    this.#refills = new RefillTimes((ms) => deps.told?.refilled(ms));
  }

  async environments(owner: PoolOwner): Promise<Environment[]> {
    return (await this.#environments.of(owner)).map(environmentFrom);
  }

  async environment(owner: PoolOwner, id: number): Promise<Environment | undefined> {
    const item = await this.#environments.get(owner, id);
    return item && environmentFrom(item.data);
  }

  async put(owner: PoolOwner, environment: Environment, most?: number): Promise<Put> {
    const result = await this.#environments.put(owner, environment, most);
    if (result === "created" || result === "replaced") await this.#deps.doorbell.ring(owner.edge);
    return result;
  }

  async remove(owner: PoolOwner, id: number): Promise<boolean> {
    const removed = await this.#environments.remove(owner, id);
    if (removed) await this.#deps.doorbell.ring(owner.edge);
    return removed;
  }

  async statistics(owner: PoolOwner): Promise<Statistics[]> {
    const { edge, user } = owner;
    const all = await this.#statistics(edge, keys.environmentsOf(user), keys.runnersOf(user));
    return all.map(({ owner: _, ...one }) => one);
  }

  /** As {@link statistics}, with the edge's word why a pool is smaller than wanted. */
  async pools(owner: PoolOwner): Promise<PoolState[]> {
    const [all, reasons] = await Promise.all([
      this.statistics(owner),
      this.#deps.store.get<ReasonsRecord>(keys.reasons(owner.edge)),
    ]);
    return all.map((one) => {
      const reason = reasons?.data[poolKey(owner.user, one.id)];
      return { ...one, ...(reason !== undefined && { reason }) };
    });
  }

  async depleting(threshold: number): Promise<{ owner: PoolOwner; id: number }[]> {
    if (threshold <= 0) return [];
    const all = await Promise.all((await this.#deps.edges()).map((edge) => this.#statistics(edge, "env#")));
    return all
      .flat()
      .filter(
        ({ prewarmingPoolSize, idleRunners }) =>
          prewarmingPoolSize > 0 && idleRunners / prewarmingPoolSize < threshold,
      )
      .map(({ owner, id }) => ({ owner, id }));
  }

  async users(): Promise<string[]> {
    const edges = await this.#deps.edges();
    const all = await Promise.all(edges.map((edge) => this.#environments.on(edge)));
    return [...new Set(all.flat().map(({ user }) => user))];
  }

  async #statistics(
    edge: string,
    prefix: string,
    runnersOf?: string,
  ): Promise<(Statistics & { owner: PoolOwner })[]> {
    const { store } = this.#deps;
    const [environments, runners] = await Promise.all([
      store.query<EnvironmentRecord>({ pk: keys.pools(edge), prefix, limit: LIMITS.environments }),
      store.query<PoolRecord>({
        pk: keys.runners(edge),
        limit: LIMITS.runnerReports,
        ...(runnersOf && { prefix: runnersOf }),
      }),
    ]);
    const gone = await this.#handed.overdue(runners.map(({ data }) => data));
    return environments.map(({ data: { user, id, generation, spec } }) => {
      const own = runners.filter(
        ({ data }) =>
          data.user === user &&
          data.generation === generation &&
          environmentOf(data.id) === id &&
          !gone.has(data.id),
      );
      const count = (state: PoolRecord["state"]) => own.filter(({ data }) => data.state === state).length;
      return {
        owner: { user, edge },
        id,
        prewarmingPoolSize: spec.prewarmingPoolSize,
        idleRunners: count("idle"),
        usedRunners: count("used"),
      };
    });
  }

  async handOut(
    owner: PoolOwner,
    environment: number,
    options: HandOutOptions,
  ): Promise<{ runner: Runner } | HandOutRefusal> {
    const { store, ledger, now, doorbell } = this.#deps;
    const ring = (edge: string) => doorbell.ring(edge);
    const deps: HandOutDeps = { store, ledger, takes: this.#takes, news: this.#news, ring, now };
    const result = await handOut(deps, owner, environment, options);
    if ("runner" in result) {
      this.#deps.told?.handedOut();
      this.#refills.handedOut(poolOf(owner.edge, owner.user, environment), now());
      await doorbell.ring(owner.edge);
    }
    return result;
  }

  used(user: string, id: string): Promise<Runner | undefined> {
    return this.#handed.used(user, id);
  }

  whyGone(user: string, id: string): Promise<RunnerEnd | undefined> {
    return this.#handed.whyGone(user, id);
  }

  touched(user: string, id: string): Promise<void> {
    return this.#handed.touched(user, id);
  }

  async end(user: string, id: string): Promise<boolean> {
    const edge = await this.#handed.end(user, id);
    if (edge !== undefined) await this.#deps.doorbell.ring(edge);
    return edge !== undefined;
  }

  async list(user: string): Promise<Runner[]> {
    const edges = await this.#environments.edgesOf(user);
    const idle = await Promise.all(edges.map((edge) => this.#idle({ user, edge })));
    const runners = [...idle.flat(), ...(await this.#handed.list(user))];
    return runners.sort((a, b) => a.environment - b.environment || a.since - b.since);
  }

  async #idle({ user, edge }: PoolOwner): Promise<Runner[]> {
    const [environments, items] = await Promise.all([
      this.#environments.of({ user, edge }),
      this.#deps.store.query<PoolRecord>({
        pk: keys.runners(edge),
        prefix: keys.runnersOf(user),
        limit: LIMITS.runnerReports,
      }),
    ]);
    const generations = new Map(environments.map(({ id, generation }) => [id, generation]));
    return items.flatMap(({ data: { id, generation, state, since, ports } }): Runner[] => {
      const environment = environmentOf(id);
      if (state !== "idle" || generations.get(environment) !== generation) return [];
      return [{ user, edge, id, environment, state, since, mappedPorts: ports }];
    });
  }

  async compare({ edge }: PoolOwner, ms: number): Promise<void> {
    const { store, now, doorbell, ledger } = this.#deps;
    if (!(await ledger.inContact(edge))) return;
    const until = now() + ms;
    this.#asked = Math.max(this.#asked + 1, now());
    const asked = this.#asked;
    const data: CompareRecord = { asked };
    await store.transact([{ put: { ...keys.compare(edge), data, expiresAt: until } }]);
    await doorbell.ring(edge);
    for (;;) {
      const item = await store.get<CompareRecord>(keys.compare(edge));
      // A later question is answered by a comparison that is later still.
      if (!item || !isNumber(item.data.asked) || now() >= until) return;
      await Promise.race([
        this.#news.next(edge, COMPARE_LOOK_MS),
        sleep(COMPARE_LOOK_MS, undefined, { ref: false }),
      ]);
    }
  }

  async removed(user: string, edge?: string, before = Number.POSITIVE_INFINITY): Promise<void> {
    for (const one of edge === undefined ? await this.#environments.edgesOf(user) : [edge]) {
      const all = await this.#environments.of({ user, edge: one });
      const old = all.filter(({ at }) => at < before);
      for (const { id, generation } of old) {
        await this.#environments.remove({ user, edge: one }, id, generation);
      }
      if (old.length === all.length) await this.#deps.store.transact([{ delete: keys.edgeOf(user, one) }]);
      if (old.length > 0) await this.#deps.doorbell.ring(one);
    }
    if (edge === undefined) await this.#handed.forget(user, before);
  }

  /** Changes of an edge's pools, and its environments, for the answers to claims and heartbeats. */
  counts(edge: string): Promise<CounterRecord | undefined> {
    return this.#environments.counts(edge);
  }

  /** Counts the changes of an edge's pools; undefined: there never were any. */
  async counter(edge: string): Promise<number | undefined> {
    return (await this.counts(edge))?.counter;
  }

  /** All environments of an edge, for its agent. */
  wanted(edge: string): Promise<WantedPools> {
    return this.#environments.wanted(edge);
  }

  /** Runners of all edges that can be handed out. */
  async idle(): Promise<number> {
    const all = await Promise.all((await this.#deps.edges()).map((edge) => this.#statistics(edge, "env#")));
    return all.flat().reduce((sum, { idleRunners }) => sum + idleRunners, 0);
  }

  /** Takes in what an edge's agent says of its runners. */
  async exchange(edge: string, told: Omit<PoolRequest, "epoch">): Promise<PoolResponse> {
    const { answer, added } = await exchange(this.#deps, edge, told);
    for (const { user, id } of added) {
      this.#refills.filled(poolOf(edge, user, environmentOf(id)), this.#deps.now());
    }
    if (added.length > 0 || told.compared !== undefined) this.#news.changed(edge);
    return answer;
  }
}

function poolOf(edge: string, user: string, environment: number): string {
  return `${edge}#${user}#${environment}`;
}

function environmentFrom({ id, spec }: EnvironmentRecord): Environment {
  return { id, ...spec };
}
