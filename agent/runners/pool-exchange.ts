import { setTimeout as sleep } from "node:timers/promises";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type {
  GroundRunner,
  PoolRequest,
  PoolResponse,
  RunnerReport,
  WantedPools,
} from "#protocol/pool-wire.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { Backoff } from "../backoff.ts";
import type { RunnerBook } from "./runner-book.ts";
import type { RunnerKeeper } from "./runner-keeper.ts";
import type { RunnerRecord } from "./runner-record.ts";

export type PoolExchangeDeps = {
  book: RunnerBook;
  keeper: RunnerKeeper;
  ground: {
    wantedPools(): Promise<WantedPools>;
    tellPools(told: Omit<PoolRequest, "epoch">): Promise<PoolResponse>;
  };
  /** runners were handed out, or ended */
  changed(): void;
  /** this one was handed out: it will be worked in soon */
  handedOut(runner: string): void;
  onError(error: unknown): void;
  now: () => number;
};

export type PoolExchangeOptions = {
  /** least time between two requests, ms (default 200) */
  paceMs?: number;
};

const counts = ({ state }: RunnerRecord) => state === "idle" || state === "used";

/**
 * Tells the ground what became of the edge's runners, and takes in what it says of them. One request at a time, and not
 * more often than every 200 ms; what could not be told is told later.
 */
export class PoolExchange {
  readonly #deps: PoolExchangeDeps;
  readonly #paceMs: number;
  readonly #closing = new AbortController();
  /** what the ground knows of each runner, as far as it has acknowledged it */
  readonly #told = new Map<string, RunnerReport["state"]>();
  #toldReasons: string | undefined;
  /** the next request has the full list */
  #full = true;
  #compared: number | undefined;
  #due = false;
  #connected = false;
  #running: Promise<void> | undefined;

  constructor(deps: PoolExchangeDeps, options: PoolExchangeOptions = {}) {
    this.#deps = deps;
    this.#paceMs = options.paceMs ?? 200;
  }

  /** The ground counts other changes of the wanted pools than we know. */
  heard(pools: number | undefined): void {
    if (pools !== undefined && pools !== this.#deps.book.wanted.pools) this.soon();
  }

  /** From now on the ground is told. @param due there is something to tell */
  connected(due: boolean): void {
    this.#connected = true;
    if (due || this.#due) this.soon();
  }

  /** Something has changed, or may have. */
  soon(): void {
    this.#due = true;
    if (!this.#connected) {
      this.#forgetUnheard();
      return;
    }
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#due && !this.#closing.signal.aborted) this.soon();
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const backoff = new Backoff();
    while (this.#due && !signal.aborted) {
      this.#due = false;
      try {
        await this.#once();
        backoff.reset();
        await sleep(this.#paceMs, undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        if (backoff.tries === 0) this.#deps.onError(error);
        this.#due = true;
        await backoff.wait(signal);
      }
    }
  }

  /**
   * Runners that ended and were never handed out, as far as we heard, and that the ground did not acknowledge: without
   * contact there would be more and more of them. Should it have heard of one, the full list says that it is gone. No
   * request is under way.
   */
  #forgetUnheard(): void {
    const { book } = this.#deps;
    for (const record of book.all()) {
      const { id, state, removed, activeAt } = record;
      if (state !== "ending" || !removed || activeAt !== undefined || this.#told.has(id)) continue;
      book.forget(record);
      this.#full = true;
    }
  }

  async #once(): Promise<void> {
    const { book, keeper, ground } = this.#deps;
    this.#forgetUnheard();
    const all = book.all();
    const counted = all.filter((record) => counts(record) && !keeper.withdrawn.has(record.id));
    const news = all.filter((record) => this.#isNews(record)).sort(endingLast);
    // without contact for weeks there may be more than one message holds
    const changed = news.slice(0, LIMITS.runnerReports).map(reportOf);
    const withdraw = all
      .filter(({ id, state }) => state === "idle" && keeper.withdrawn.has(id))
      .map(({ id }) => id);
    const reasons = [...keeper.reasons()].map(([pool, reason]) => {
      const [user = "", environment] = pool.split("#");
      return { user, environment: Number(environment), reason: reason.slice(0, 1024) };
    });
    const reasonsText = JSON.stringify(reasons);
    const full = this.#full;
    const compared = this.#compared;
    const answer = await ground.tellPools({
      digest: runnerDigest(counted),
      changed,
      ...(withdraw.length > 0 && { withdraw }),
      ...(full && { list: [...all].sort(endingLast).slice(0, LIMITS.runnerReports).map(reportOf) }),
      ...(reasonsText !== this.#toldReasons && { reasons }),
      ...(compared !== undefined && { compared }),
    });
    killPoint("runners.told");
    this.#toldReasons = reasonsText;
    if (compared === this.#compared) this.#compared = undefined;
    this.#acknowledged(changed);
    if (news.length > changed.length) this.#due = true;
    const asked = all.filter(({ id }) => withdraw.includes(id));
    if (answer.list) this.#takeIn(answer.list, counted, asked, full);
    else this.#full = false;
    // Without a list the ground's digest was ours, which was without them.
    for (const record of asked) {
      if (!answer.list?.some(({ id }) => id === record.id)) book.end(record, "lost");
    }
    keeper.demand(answer.demand);
    if (answer.pools !== book.wanted.pools) keeper.want(await ground.wantedPools());
    this.#deps.changed();
    if (answer.compare !== undefined) void this.#compare(answer.compare);
  }

  #isNews({ id, state, end, unheard }: RunnerRecord): boolean {
    if (unheard) return false;
    const told = this.#told.get(id);
    if (state === "idle") return told === undefined;
    return state === "ending" && end !== undefined && told !== "gone";
  }

  #acknowledged(changed: readonly RunnerReport[]): void {
    const { book } = this.#deps;
    for (const { id, state } of changed) this.#told.set(id, state);
    for (const record of book.all()) {
      if (record.state !== "ending" || !record.removed || this.#told.get(record.id) !== "gone") continue;
      book.forget(record);
      this.#told.delete(record.id);
    }
  }

  /** @param full the ground had our whole list: what is not in its own is gone there */
  #takeIn(
    list: readonly GroundRunner[],
    counted: readonly RunnerRecord[],
    asked: readonly RunnerRecord[],
    full: boolean,
  ): void {
    const { book, now } = this.#deps;
    const there = new Map(list.map((one) => [one.id, one]));
    for (const record of [...counted, ...asked]) {
      const one = there.get(record.id);
      if (!one) {
        if (full) book.end(record, "deleted");
        continue;
      }
      this.#told.set(record.id, one.state);
      const { state, ageMs = 0, inactivityMs } = one;
      const isNew = record.state === "idle" || record.inactivityMs !== inactivityMs;
      if (state !== "used" || !isNew || !counts(record)) continue;
      const activeAt = Math.max(record.activeAt ?? 0, now() - ageMs);
      const isFirst = record.state === "idle";
      book.change(record, { state: "used", activeAt, ...(inactivityMs && { inactivityMs }) });
      killPoint("runners.handed");
      if (isFirst) this.#deps.handedOut(record.id);
    }
    const agreed = runnerDigest(list) === runnerDigest(book.all().filter(counts));
    this.#full = !agreed;
    if (!agreed && !full) this.#due = true;
  }

  async #compare(asked: number): Promise<void> {
    if (!(await this.#deps.keeper.compare())) return;
    this.#compared = asked;
    this.soon();
  }
}

const endingLast = (a: RunnerRecord, b: RunnerRecord) =>
  Number(a.state === "ending") - Number(b.state === "ending");

function reportOf({ id, user, generation, state, end, ports }: RunnerRecord): RunnerReport {
  const told = state === "ending" ? "gone" : state;
  return { id, user, generation, state: told, ...(end && { end }), ...(ports.length > 0 && { ports }) };
}
