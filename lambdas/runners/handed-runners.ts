import { LIMITS } from "#protocol/limits.ts";
import { environmentOf, type RunnerEnd, runnerId } from "#protocol/runners.ts";
import type { Item, LedgerStore, Write } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";
import { endOf } from "./is-current.ts";
import { type EnvironmentRecord, type HandedRecord, keys, type PoolRecord } from "./records.ts";
import type { Runner } from "./runner-pools.ts";

const PAGE = 1000;
/** Records of a user that one listing reads; of those that are gone it tells the newest `runnersGoneListed`. */
const MOST_READ = 20_000;
const FORGOTTEN_AT_ONCE = 25;

/** Runners that were handed out, by user and id: until 24 h after their end. */
export class HandedRunners {
  readonly #store: LedgerStore;
  readonly #now: () => number;

  constructor(store: LedgerStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** One that is not gone. */
  async used(user: string, id: string): Promise<Runner | undefined> {
    const item = await this.#alive(user, id);
    return item && runnerOf(user, id, item.data);
  }

  /** Why it is gone; undefined: it is not, or was never handed out to the user. */
  async whyGone(user: string, id: string): Promise<RunnerEnd | undefined> {
    const item = await this.#handedOut(user, id);
    return item && (await this.#endOf(user, item))?.end;
  }

  /**
   * Those of an edge's runners that are gone though it did not say so: without contact the ground ends what must have
   * ended by itself. @returns their ids
   */
  async overdue(pooled: readonly PoolRecord[]): Promise<Set<string>> {
    const now = this.#now();
    const late = pooled.filter(
      ({ state, since, inactivityMs }) =>
        state === "used" && inactivityMs !== undefined && now > since + inactivityMs + LIMITS.runnerLeaveMs,
    );
    const gone = await Promise.all(
      late.map(async ({ user, id }) => ((await this.#alive(user, id)) ? [] : [id])),
    );
    return new Set(gone.flat());
  }

  /** A session begins there: its inactivity starts again. */
  async touched(user: string, id: string): Promise<void> {
    await optimistically(async () => {
      const item = await this.#alive(user, id);
      if (!item || item.data.inactivityMs === undefined) return;
      const data: HandedRecord = { ...item.data, activeAt: this.#now() };
      await this.#store.transact([{ put: { ...keys.handedRunner(user, id), data }, if: item.rev }]);
    });
  }

  /** @returns the edge; undefined: it never existed, or is gone */
  async end(user: string, id: string): Promise<string | undefined> {
    return optimistically(async () => {
      const item = await this.#alive(user, id);
      if (!item) return undefined;
      const { edge } = item.data;
      const pooled = await this.#store.get<PoolRecord>(keys.runner(edge, user, id));
      const at = this.#now();
      const data: HandedRecord = { ...item.data, end: "deleted", endedAt: at };
      const expiresAt = at + LIMITS.runnerEndsMs;
      const writes: Write[] = [{ put: { ...keys.handedRunner(user, id), data, expiresAt }, if: item.rev }];
      if (pooled) {
        // until the edge has it no more: it could else be taken for a new one
        const ended: PoolRecord = { ...pooled.data, state: "ended", since: at };
        writes.push({ put: { ...keys.runner(edge, user, id), data: ended }, if: pooled.rev });
      }
      await this.#store.transact(writes);
      return edge;
    });
  }

  /** Used ones, and of those that ended within 24 h the newest. */
  async list(user: string): Promise<Runner[]> {
    const environments = new Map<string, Promise<Item<EnvironmentRecord> | undefined>>();
    const environmentAt = (edge: string, id: string) => {
      const of = `${edge}#${environmentOf(id)}`;
      const known = environments.get(of) ?? this.#environment(edge, user, id);
      environments.set(of, known);
      return known;
    };
    const now = this.#now();
    const runnerFrom = async (item: Item<HandedRecord>): Promise<Runner[]> => {
      const { sk: id, data } = item;
      const seen = data.end ? undefined : await environmentAt(data.edge, id);
      const follows = endOf(data, seen?.data, now);
      // The environment was read once for the whole list, perhaps before this runner was handed out: what is kept is looked at anew.
      const gone = follows && !data.end ? await this.#endOf(user, item) : follows;
      if (!gone) return [runnerOf(user, id, data)];
      if (gone.at + LIMITS.runnerEndsMs < now) return [];
      return [{ ...runnerOf(user, id, data), state: "gone", since: gone.at, end: gone.end }];
    };
    const used: Runner[] = [];
    let gone: Runner[] = [];
    for await (const page of this.#pages(user)) {
      const runners = (await Promise.all(page.map(runnerFrom))).flat();
      used.push(...runners.filter(({ state }) => state === "used"));
      gone.push(...runners.filter(({ state }) => state === "gone"));
      gone = gone.sort((a, b) => b.since - a.since).slice(0, LIMITS.runnersGoneListed);
    }
    return [...used, ...gone];
  }

  async *#pages(user: string): AsyncGenerator<Item<HandedRecord>[]> {
    let after: string | undefined;
    for (let read = 0; read < MOST_READ; read += PAGE) {
      const page = await this.#store.query<HandedRecord>({
        pk: keys.handed(user),
        limit: PAGE,
        ...(after !== undefined && { after }),
      });
      yield page;
      if (page.length < PAGE) return;
      after = page.at(-1)!.sk;
    }
  }

  /** A user is gone: so is what was handed out before that time. */
  async forget(user: string, before: number): Promise<void> {
    let after: string | undefined;
    do {
      const items: Item<HandedRecord>[] = await this.#store.query<HandedRecord>({
        pk: keys.handed(user),
        limit: FORGOTTEN_AT_ONCE,
        ...(after !== undefined && { after }),
      });
      const old = items.filter(({ data }) => data.since < before);
      if (old.length > 0) await this.#store.transact(old.map(({ pk, sk }) => ({ delete: { pk, sk } })));
      after = items.length < FORGOTTEN_AT_ONCE ? undefined : items.at(-1)!.sk;
    } while (after !== undefined);
  }

  async #alive(user: string, id: string): Promise<Item<HandedRecord> | undefined> {
    const item = await this.#handedOut(user, id);
    return item && !(await this.#endOf(user, item)) ? item : undefined;
  }

  async #handedOut(user: string, id: string): Promise<Item<HandedRecord> | undefined> {
    if (!runnerId.safeParse(id).success) return undefined;
    return this.#store.get<HandedRecord>(keys.handedRunner(user, id));
  }

  async #endOf(user: string, item: Item<HandedRecord>) {
    const { sk: id, data } = item;
    const environment = data.end ? undefined : await this.#environment(data.edge, user, id);
    const gone = endOf(data, environment?.data, this.#now());
    await this.#note(item, gone);
    return gone;
  }

  /** An end that follows from other records is kept as it was first seen: its edge may never tell of it. */
  async #note({ pk, sk, rev, data }: Item<HandedRecord>, gone: ReturnType<typeof endOf>): Promise<void> {
    if (!gone || data.end) return;
    const ended: HandedRecord = { ...data, end: gone.end, endedAt: gone.at };
    const expiresAt = gone.at + LIMITS.runnerEndsMs;
    try {
      await this.#store.transact([{ put: { pk, sk, data: ended, expiresAt }, if: rev }]);
    } catch {
      // Somebody else has noted it, it was touched, or the store takes nothing: it follows all the same, and the next look notes it.
    }
  }

  #environment(edge: string, user: string, id: string): Promise<Item<EnvironmentRecord> | undefined> {
    return this.#store.get<EnvironmentRecord>(keys.environment(edge, user, environmentOf(id)));
  }
}

function runnerOf(user: string, id: string, { edge, since, ports }: HandedRecord): Runner {
  return { user, edge, id, environment: environmentOf(id), state: "used", since, mappedPorts: ports };
}
