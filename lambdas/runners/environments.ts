import { LIMITS } from "#protocol/limits.ts";
import type { WantedPools } from "#protocol/pool-wire.ts";
import { Serial } from "#protocol/serial.ts";
import type { Item, LedgerStore } from "../ports/ledger-store.ts";
import { EDGE_RACES, optimistically } from "../ports/optimistically.ts";
import { type CounterRecord, type EnvironmentRecord, keys } from "./records.ts";
import type { Environment, PoolOwner, Put } from "./runner-pools.ts";

const NO_CHANGES: CounterRecord = { counter: 0, environments: 0 };

/** The wanted state of edges: environments, each with a generation, and the counter of their changes. */
export class Environments {
  readonly #store: LedgerStore;
  readonly #now: () => number;
  /** changes of this process take turns per edge */
  readonly #turns = new Serial();

  constructor(store: LedgerStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Changes of an edge's pools, and how many environments it has; undefined: there never were any. */
  async counts(edge: string): Promise<CounterRecord | undefined> {
    return (await this.#store.get<CounterRecord>(keys.counter(edge)))?.data;
  }

  get({ user, edge }: PoolOwner, id: number): Promise<Item<EnvironmentRecord> | undefined> {
    return this.#store.get<EnvironmentRecord>(keys.environment(edge, user, id));
  }

  /** In order of ids. */
  async of({ user, edge }: PoolOwner): Promise<EnvironmentRecord[]> {
    const pk = keys.pools(edge);
    const prefix = keys.environmentsOf(user);
    const items = await this.#store.query<EnvironmentRecord>({ pk, prefix, limit: LIMITS.environments });
    return items.map(({ data }) => data);
  }

  /** All of an edge, of whatever users. */
  async on(edge: string): Promise<EnvironmentRecord[]> {
    const pk = keys.pools(edge);
    const items = await this.#store.query<EnvironmentRecord>({
      pk,
      prefix: "env#",
      limit: LIMITS.environments,
    });
    return items.map(({ data }) => data);
  }

  /** As {@link on}, as of at least the counter that comes with them. */
  async wanted(edge: string): Promise<WantedPools> {
    const pools = (await this.counts(edge))?.counter ?? 0;
    const environments = (await this.on(edge)).map(({ user, id, generation, spec }) => ({
      user,
      id,
      generation,
      spec,
    }));
    return { pools, environments };
  }

  /**
   * @param most environments of one user on the edge
   *
   * One transaction with the counter: all runners of an earlier generation are gone with it.
   */
  put(
    { user, edge }: PoolOwner,
    { id, ...spec }: Environment,
    most: number = LIMITS.environments,
  ): Promise<Put> {
    return this.#change(edge, async () => {
      const key = keys.environment(edge, user, id);
      const [counter, before] = await Promise.all([
        this.#store.get<CounterRecord>(keys.counter(edge)),
        this.#store.get<EnvironmentRecord>(key),
      ]);
      const { counter: last, environments } = counter?.data ?? NO_CHANGES;
      if (!before && environments >= LIMITS.environments) return "full";
      // counted as of the counter that is changed with it: of two calls at once one comes again
      const isMany = !before && most < LIMITS.environments;
      if (isMany && (await this.of({ user, edge })).length >= most) return "user-full";
      const generation = last + 1;
      const data: EnvironmentRecord = { user, id, generation, spec, at: this.#now() };
      const counted: CounterRecord = { counter: generation, environments: environments + (before ? 0 : 1) };
      await this.#store.transact([
        { put: { ...keys.counter(edge), data: counted }, if: counter?.rev ?? 0 },
        { put: { ...key, data }, if: before?.rev ?? 0 },
        { put: { ...keys.edgeOf(user, edge), data: {} } },
      ]);
      return before ? "replaced" : "created";
    });
  }

  /**
   * @param generation of the one that is meant (default: whichever there is)
   * @returns whether there was one
   */
  remove({ user, edge }: PoolOwner, id: number, generation?: number): Promise<boolean> {
    return this.#change(edge, async () => {
      const key = keys.environment(edge, user, id);
      const [counter, before] = await Promise.all([
        this.#store.get<CounterRecord>(keys.counter(edge)),
        this.#store.get<EnvironmentRecord>(key),
      ]);
      if (!before || (generation !== undefined && before.data.generation !== generation)) return false;
      const { counter: last, environments } = counter?.data ?? NO_CHANGES;
      const counted: CounterRecord = { counter: last + 1, environments: Math.max(0, environments - 1) };
      await this.#store.transact([
        { put: { ...keys.counter(edge), data: counted }, if: counter?.rev ?? 0 },
        { delete: key, if: before.rev },
      ]);
      return true;
    });
  }

  /** Edges on which the user has, or had, environments. */
  async edgesOf(user: string): Promise<string[]> {
    const items = await this.#store.query({ pk: keys.edges(user), limit: 1000 });
    return items.map(({ sk }) => sk);
  }

  #change<T>(edge: string, attempt: () => Promise<T>): Promise<T> {
    return this.#turns.run(edge, () => optimistically(attempt, EDGE_RACES));
  }
}
