import { LIMITS } from "#protocol/limits.ts";
import { ConditionFailed, type Item, type LedgerStore } from "../ports/ledger-store.ts";
import { type EnvironmentRecord, type HandedRecord, keys, type PoolRecord, poolKey } from "./records.ts";
import type { PoolOwner, Runner } from "./runner-pools.ts";

/** The environment was changed between the read and the write. */
export const CHANGED = Symbol("changed");

/** `undefined`: there is no idle runner of the environment's generation. */
export type Taken = Runner | typeof CHANGED | undefined;

export type TakeRequest = {
  owner: PoolOwner;
  environment: Item<EnvironmentRecord>;
  inactivityMs?: number | undefined;
  signal?: AbortSignal | undefined;
};

type Waiting = TakeRequest & { resolve(taken: Taken): void; reject(error: unknown): void };

/**
 * Takes idle runners out of pools, each in one transaction on condition of the runner and the environment. Calls of this
 * process for one pool go one after the other and share a listing: all transactions of a pool name its environment, so
 * that at once they would only fail each other.
 */
export class RunnerTakes {
  readonly #store: LedgerStore;
  readonly #now: () => number;
  /** by pool, while a round of it is under way */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(store: LedgerStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  take(request: TakeRequest): Promise<Taken> {
    const { owner, environment } = request;
    const pool = `${owner.edge}#${poolKey(owner.user, environment.data.id)}`;
    return new Promise((resolve, reject) => {
      const one = { ...request, resolve, reject };
      const waiting = this.#waiting.get(pool);
      if (waiting) waiting.push(one);
      else {
        this.#waiting.set(pool, [one]);
        void this.#rounds(pool);
      }
    });
  }

  async #rounds(pool: string): Promise<void> {
    for (;;) {
      const round = this.#waiting.get(pool)?.splice(0) ?? [];
      if (round.length === 0) {
        this.#waiting.delete(pool);
        return;
      }
      // a store that fails would fail each of them after its own time
      await this.#round(round).catch((error: unknown) => {
        for (const one of round) one.reject(error);
      });
    }
  }

  async #round(round: readonly Waiting[]): Promise<void> {
    let idle = await this.#idle(round[0]!);
    /** somebody else took one of the listing: by now there may be others */
    let lost = false;
    /** told as idle by the edge, though they were handed out before: nobody gets them twice */
    const handedBefore = new Set<string>();
    const next = async ({ environment }: Waiting): Promise<Item<PoolRecord> | undefined> => {
      for (;;) {
        const at = idle.findIndex(({ data }) => data.generation === environment.data.generation);
        if (at >= 0) return idle.splice(at, 1)[0];
        if (!lost) return undefined;
        idle = (await this.#idle(round[0]!)).filter(({ data }) => !handedBefore.has(data.id));
        lost = false;
      }
    };
    const changed = new Set<number>();
    const takeFor = async (one: Waiting): Promise<Taken> => {
      while (!one.signal?.aborted) {
        if (changed.has(one.environment.rev)) return CHANGED;
        const item = await next(one);
        if (!item) return undefined;
        const failed = await this.#handOut(one, item);
        if (typeof failed !== "number") return failed;
        if (failed === 0) changed.add(one.environment.rev);
        else if (failed === 1) lost = true;
        else handedBefore.add(item.data.id);
      }
      return undefined;
    };
    for (const one of round) one.resolve(await takeFor(one));
  }

  async #idle({ owner: { user, edge }, environment }: TakeRequest): Promise<Item<PoolRecord>[]> {
    const items = await this.#store.query<PoolRecord>({
      pk: keys.runners(edge),
      prefix: keys.runnersOf(user, environment.data.id),
      limit: LIMITS.runnerReports,
    });
    // other processes see the same ones at the same moment: each begins with another
    return shuffled(items.filter(({ data }) => data.state === "idle"));
  }

  /** @returns the number of the condition that did not hold: 0 the environment, 1 the runner, 2 nobody had it before */
  async #handOut(
    { owner: { user, edge }, environment, inactivityMs }: TakeRequest,
    { pk, sk, rev, data: pooled }: Item<PoolRecord>,
  ): Promise<Runner | number> {
    const { generation, id: environmentId } = environment.data;
    const { id, ports } = pooled;
    const at = this.#now();
    const timeout = inactivityMs ? { inactivityMs } : {};
    const used: PoolRecord = { ...pooled, state: "used", since: at, ...timeout };
    const handed: HandedRecord = { edge, generation, since: at, activeAt: at, ports, ...timeout };
    try {
      await this.#store.transact([
        { check: keys.environment(edge, user, environmentId), if: environment.rev },
        { put: { pk, sk, data: used }, if: rev },
        { put: { ...keys.handedRunner(user, id), data: handed }, if: 0 },
      ]);
    } catch (error) {
      if (error instanceof ConditionFailed) return error.index;
      throw error;
    }
    return { user, edge, id, environment: environmentId, state: "used", since: at, mappedPorts: ports };
  }
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((one) => ({ one, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one);
}
