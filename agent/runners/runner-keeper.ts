import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { PoolResponse, WantedPools } from "#protocol/pool-wire.ts";
import type { PodRuntime } from "../pods/pod-runtime.ts";
import { compareWithEngine } from "./engine-comparison.ts";
import type { Room } from "./places.ts";
import { type PlanInput, planRunners, type RunnerPlan } from "./plan-runners.ts";
import { PoolWaits } from "./pool-waits.ts";
import { poolKey, poolOf, type RunnerBook } from "./runner-book.ts";
import type { RunnerRecord } from "./runner-record.ts";
import { portsOf } from "./runner-spec.ts";
import type { RunnerStarter } from "./runner-starter.ts";
import { Unfit } from "./test-execution.ts";

export type RunnerKeeperDeps = {
  book: RunnerBook;
  runtime: PodRuntime;
  starter: RunnerStarter;
  /** something that the ground is to hear of has changed */
  changed(): void;
  onError(error: unknown, about: { runner?: string; doing: string }): void;
  /** a clock that is never set back, ms since 1970 */
  now: () => number;
};

export type RunnerKeeperOptions = {
  /** most runners of the edge (default LIMITS.runners) */
  most?: number;
  /** most of one user (default: three quarters of `most`) */
  mostOfUser?: number;
  /** most ports that runners open together, where they open any (default: none does) */
  mostPorts?: number;
  /** between comparisons with the engine, ms (default LIMITS.poolCompareMs) */
  compareMs?: number;
};

/** A runner that does not go is tried again after this long. */
const REMOVE_AGAIN_MS = 2_000;

/**
 * Holds the pools that are wanted against the runners that there are: asks the planner what is to be done whenever
 * something may have changed, and compares the records with the engine. There is no timer and no engine's event until
 * the first environment.
 */
export class RunnerKeeper {
  readonly #deps: RunnerKeeperDeps;
  readonly #options: Required<Omit<RunnerKeeperOptions, "mostPorts">>;
  readonly #ports: Room | undefined;
  readonly #closing = new AbortController();
  readonly #waits: PoolWaits;
  readonly #removing = new Set<string>();
  /** by runner: one that did not go is left alone until then */
  readonly #removeAfter = new Map<string, number>();
  /** idle runners that the ground is to give back */
  readonly #withdrawn = new Set<string>();
  /** an engine's event named them */
  readonly #suspects = new Set<string>();
  readonly #working = new Set<Promise<void>>();
  #demand: { of: PoolResponse["demand"]; until: number } = { of: [], until: 0 };
  #short: RunnerPlan["short"] = new Map();
  #compareTimer: NodeJS.Timeout | undefined;
  #wakeTimer: NodeJS.Timeout | undefined;
  #unwatch: (() => void) | undefined;
  #comparing: Promise<boolean> | undefined;
  #nextComparison: Promise<boolean> | undefined;

  constructor(deps: RunnerKeeperDeps, options: RunnerKeeperOptions = {}) {
    this.#deps = deps;
    const { most = LIMITS.runners, compareMs = LIMITS.poolCompareMs } = options;
    const { mostOfUser = partOf(most), mostPorts } = options;
    this.#ports = mostPorts === undefined ? undefined : { most: mostPorts, mostOfUser: partOf(mostPorts) };
    this.#options = { most, mostOfUser: Math.min(most, mostOfUser), compareMs };
    this.#waits = new PoolWaits(deps.now);
  }

  /** Takes up what an earlier life of this agent left. Call once. */
  start(): void {
    const { book } = this.#deps;
    for (const record of book.all()) {
      // How far its start came nobody knows; what ran in one that was used may still run, unseen.
      if (record.state === "starting" || record.busy) book.end(record, "lost");
    }
    this.kick();
  }

  /** Whether there is anything to keep: a timer and the engine's events. */
  get active(): boolean {
    return this.#unwatch !== undefined;
  }

  want(wanted: WantedPools): void {
    const { book } = this.#deps;
    for (const { user, id, generation } of wanted.environments) {
      const key = poolKey(user, id);
      if (book.environment(key)?.generation !== generation) this.#waits.renew(key);
    }
    this.#waits.keep(new Set(wanted.environments.map(({ user, id }) => poolKey(user, id))));
    book.want(wanted);
    this.kick();
  }

  /** Calls wait for runners of environments whose pool is of size 0. */
  demand(of: PoolResponse["demand"]): void {
    if (of.length === 0 && this.#demand.of.length === 0) return;
    this.#demand = { of, until: this.#deps.now() + LIMITS.runnerOnDemandMs };
    this.kick();
  }

  /** An image was built, loaded or published. */
  imagesChanged(): void {
    this.#waits.retry();
    this.kick();
  }

  get withdrawn(): ReadonlySet<string> {
    return this.#withdrawn;
  }

  /** Why pools are smaller than wanted, by pool. */
  reasons(): Map<string, string> {
    const { most, mostOfUser } = this.#options;
    const few = {
      runners: `the edge runs at most ${most} runners (runners.max), and ${mostOfUser} of one user`,
      ports: `runners open at most ${this.#ports?.most} ports (runners.ports), and ${this.#ports?.mostOfUser} those of one user`,
    };
    const reasons = new Map([...this.#short].map(([pool, of]) => [pool, few[of]]));
    for (const [pool, reason] of this.#waits.reasons())
      if (this.#deps.book.environment(pool)) reasons.set(pool, reason);
    return reasons;
  }

  /** Looks at what is to be done. */
  kick(): void {
    if (this.#closing.signal.aborted) return;
    this.#watch();
    if (!this.active) return;
    const plan = planRunners(this.#planInput());
    this.#short = plan.short;
    const { book, changed } = this.#deps;
    for (const { id, why } of plan.end) book.end(book.get(id)!, why === "surplus" ? "lost" : why);
    const before = this.#withdrawn.size;
    this.#withdrawn.clear();
    for (const id of plan.withdraw) this.#withdrawn.add(id);
    if (this.#withdrawn.size > before) changed();
    for (const key of plan.start) this.#work(() => this.#startOne(key));
    for (const record of book.all()) if (record.state === "ending" && !record.removed) this.#remove(record);
    this.#wakeAt(Math.min(this.#waits.next(), ...this.#removeAfter.values()));
  }

  /** Compares with the engine; a comparison that is under way does not count. @returns whether the engine answered */
  compare(): Promise<boolean> {
    this.#nextComparison ??= (async () => {
      await this.#comparing;
      this.#nextComparison = undefined;
      this.#comparing = this.#compareOnce();
      return this.#comparing;
    })();
    return this.#nextComparison;
  }

  async #compareOnce(): Promise<boolean> {
    const { book, runtime, changed } = this.#deps;
    if (this.#closing.signal.aborted) return false;
    const suspects = new Set(this.#suspects);
    this.#suspects.clear();
    try {
      const died = await compareWithEngine(book, runtime, suspects);
      if (this.#closing.signal.aborted) return false;
      for (const pool of died) this.#waits.died(pool);
      this.kick();
      changed();
      return true;
    } catch (error) {
      this.#tell(error, { doing: "compare" });
      for (const id of suspects) this.#suspects.add(id);
      return false;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#compareTimer);
    clearTimeout(this.#wakeTimer);
    this.#unwatch?.();
    await Promise.allSettled([...this.#working, this.#comparing, this.#nextComparison]);
  }

  #planInput(): PlanInput {
    const { book, now } = this.#deps;
    const asked = this.#demand.until > now() ? this.#demand.of : [];
    const demands = new Map(asked.map(({ user, environment, count }) => [poolKey(user, environment), count]));
    return {
      wanted: book.wanted.environments.map(({ user, id, generation, spec }) => {
        const key = poolKey(user, id);
        const size = spec.prewarmingPoolSize || (demands.get(key) ?? 0);
        return { key, generation, size, ports: this.#ports ? portsOf(spec) : 0 };
      }),
      runners: book
        .all()
        .filter(({ removed }) => !removed)
        .map((record) => ({
          id: record.id,
          generation: record.generation,
          state: record.state,
          pool: poolOf(record),
          ports: record.ports.length,
        })),
      ...(this.#ports && { ports: this.#ports }),
      most: this.#options.most,
      mostOfUser: this.#options.mostOfUser,
      starts: LIMITS.runnerStarts,
      blocked: this.#waits.blocked(),
    };
  }

  async #startOne(key: string): Promise<void> {
    const { book, starter, changed } = this.#deps;
    const environment = book.environment(key)!;
    const tells = {
      waits: (why: string) => {
        if (this.#waits.waits(key, why)) changed();
      },
      failed: (error: unknown) => {
        if (book.environment(key) !== environment) return;
        this.#waits.failed(
          key,
          error instanceof Unfit ? error.message : "the edge's container engine failed",
        );
      },
    };
    try {
      const { state } = await starter.start(environment, this.#closing.signal, tells);
      // its place was given to another pool: nothing is wrong with it
      if (state !== "ending") this.#waits.forget(key);
    } catch (error) {
      if (this.#closing.signal.aborted || book.environment(key) !== environment) return;
      if (!(error instanceof Unfit)) this.#tell(error, { doing: "start" });
    }
    changed();
  }

  #remove(record: RunnerRecord): void {
    const { id } = record;
    const { book, runtime, changed, now } = this.#deps;
    if (this.#removing.has(id) || (this.#removeAfter.get(id) ?? 0) > now()) return;
    this.#removing.add(id);
    this.#removeAfter.delete(id);
    this.#work(async () => {
      try {
        await runtime.remove(id);
        killPoint("runners.removed");
        if (record.unheard) book.forget(record);
        else book.change(record, { removed: true });
        changed();
        await this.#tidy(record.user);
      } catch (error) {
        this.#tell(error, { runner: id, doing: "remove" });
        this.#removeAfter.set(id, now() + REMOVE_AGAIN_MS);
      } finally {
        this.#removing.delete(id);
      }
    });
  }

  /** What the user's runners shared goes with the last of them, when no pool is to be filled again. */
  async #tidy(user: string): Promise<void> {
    const { book, runtime } = this.#deps;
    if (book.wanted.environments.some((environment) => environment.user === user)) return;
    if (book.all().some((record) => record.user === user && !record.removed)) return;
    await runtime.tidy(user).catch((error: unknown) => this.#tell(error, { doing: "tidy" }));
  }

  #work(task: () => Promise<void>): void {
    const work = task()
      .catch((error: unknown) => this.#tell(error, { doing: "keep" }))
      .finally(() => {
        this.#working.delete(work);
        this.kick();
      });
    this.#working.add(work);
  }

  /** Begins with the first environment, and ends when nothing is wanted and nothing is left. */
  #watch(): void {
    const { book, runtime } = this.#deps;
    const needed = book.wanted.environments.length > 0 || book.all().length > 0;
    if (needed === this.active) return;
    if (!needed) {
      clearInterval(this.#compareTimer);
      clearTimeout(this.#wakeTimer);
      this.#unwatch?.();
      this.#unwatch = undefined;
      return;
    }
    const compare = async () => {
      const compared = await this.compare();
      // After a failure too: in the exchange with the ground the edge learns which runners were handed out or ended. Not where
      // the ground asked for the comparison: it would ask again at once.
      if (!compared && !this.#closing.signal.aborted) this.#deps.changed();
    };
    this.#unwatch = runtime.watch((run) => {
      if (run !== undefined && !book.get(run)) return;
      if (run !== undefined) this.#suspects.add(run);
      void compare();
    });
    this.#compareTimer = setInterval(compare, this.#options.compareMs);
    void compare();
  }

  #wakeAt(at: number): void {
    if (at === Number.POSITIVE_INFINITY || this.#closing.signal.aborted) return;
    clearTimeout(this.#wakeTimer);
    this.#wakeTimer = setTimeout(() => this.kick(), Math.max(0, at - this.#deps.now()));
  }

  #tell(error: unknown, about: { runner?: string; doing: string }): void {
    if (!this.#closing.signal.aborted) this.#deps.onError(error, about);
  }
}

/** What one user may have by default: others keep some. */
const partOf = (most: number) => Math.ceil((most * LIMITS.runnersOfUserPercent) / 100);
