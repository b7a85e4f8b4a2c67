import { LIMITS } from "#protocol/limits.ts";
import type { ContainerState, InputOf } from "#protocol/operations.ts";
import type { PodReport } from "#protocol/wire.ts";
import { ConditionFailed, type LedgerStore, type Write } from "../ports/ledger-store.ts";
import { pagesOf } from "../ports/pages-of.ts";
import type { Command } from "./command.ts";
import { keys } from "./keys.ts";
import { RunNews } from "./run-news.ts";

/** A run as last reported by the agent; `at` is when, by the ground's clock (ms since 1970). */
export type KnownRun = PodReport & { at: number };

export type PodOfUser = { edge: string; user: string; pod: string };

/** Current and previous run of a pod are kept, as their logs are. */
const KEPT = 2;
/** Runs of one pod that have not ended are few: the agent refuses more than 200 of a user. */
const MOST_OPEN = 250;
const MOST_WRITES = 25;
const PAGE = 1000;

/** What the ground knows of the pods on an edge: the runs as the agent last reported them. */
export class Runs {
  readonly #store: LedgerStore;
  readonly #now: () => number;
  readonly #news = new RunNews();

  constructor(store: LedgerStore, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Takes the agent's reports in; of a pod's ended runs the newest before its current one is kept. */
  record(edge: string, reports: PodReport[]): Promise<void> {
    return this.#record(edge, reports);
  }

  /** @throws ConditionFailed when `fresh` and the run is known */
  async #record(edge: string, reports: PodReport[], fresh = false): Promise<void> {
    const at = this.#now();
    for (const report of reports) {
      const { user, pod, run } = report;
      const data: KnownRun = { ...report, at };
      const others = (await this.find({ edge, user, pod })).filter((known) => known.run !== run);
      const [, ...older] = [data, ...others].sort((a, b) => (a.run < b.run ? 1 : -1));
      // One that was dropped before it started is no "run before": it would hide the logs of the real one.
      const past = older.filter(({ state }) => "terminated" in state && !neverStarted(state));
      const gone = new Set([...older.filter(({ state }) => neverStarted(state)), ...past.slice(KEPT - 1)]);
      const writes: Write[] = [...gone].map((old) => ({ delete: keys.run(edge, user, pod, old.run) }));
      if (!gone.has(data)) {
        const put = { ...keys.run(edge, user, pod, run), expiresAt: at + LIMITS.historyMs, data };
        writes.push({ put, ...(fresh && { if: 0 }) });
      }
      for (let i = 0; i < writes.length; i += MOST_WRITES) {
        await this.#store.transact(writes.slice(i, i + MOST_WRITES));
      }
      this.#news.tell(newsOf(edge, user, pod));
    }
  }

  /** A pod/run command succeeded: its run is known from now on, as waiting until the agent says more. */
  async accepted(edge: string, command: Command): Promise<void> {
    const { user, id: run } = command;
    // In a command of version 0.2 or older `node` is the kind.
    const { pod, image, node, kind } = command.input as InputOf<"pod.run">;
    if ((await this.find({ edge, user, pod })).some((known) => known.run === run)) return;
    const state = { waiting: { reason: "ContainerCreating" } };
    try {
      await this.#record(edge, [{ user, pod, run, image, node: node ?? kind ?? "", state }], true);
    } catch (error) {
      // The agent's own report came meanwhile, and says more.
      if (!(error instanceof ConditionFailed)) throw error;
    }
  }

  /** Runs of one pod, newest first. */
  async find(of: PodOfUser): Promise<(KnownRun & { terminated: boolean })[]> {
    const items = await this.#store.query<KnownRun>({
      pk: keys.runs(of.edge, of.user),
      prefix: `${of.pod}#`,
      descending: true,
      limit: MOST_OPEN,
    });
    return items.map((item) => ({ ...item.data, terminated: "terminated" in item.data.state }));
  }

  /** News of one pod's runs that this process records (see {@link RunNews}). */
  next({ edge, user, pod }: PodOfUser): { promise: Promise<void>; cancel: () => void } {
    return this.#news.next(newsOf(edge, user, pod));
  }

  /** The newest run of each of the user's pods, by pod name; at most 1000 runs are looked at. */
  async current(edge: string, user: string): Promise<KnownRun[]> {
    const items = await this.#store.query<KnownRun>({ pk: keys.runs(edge, user), limit: PAGE });
    return newestOf(items.map(({ data }) => data));
  }

  /** {@link Runs.current} of the pods whose names begin so, however many these are. */
  async currentOf(edge: string, user: string, prefix: string): Promise<KnownRun[]> {
    const all: KnownRun[] = [];
    const query = { pk: keys.runs(edge, user), prefix, limit: PAGE };
    for await (const page of pagesOf<KnownRun>(this.#store, query)) all.push(...page.map(({ data }) => data));
    return newestOf(all);
  }

  /** Forgets all runs of a pod. */
  async forget({ edge, user, pod }: PodOfUser): Promise<void> {
    const of = await this.find({ edge, user, pod });
    for (let i = 0; i < of.length; i += MOST_WRITES) {
      const some = of.slice(i, i + MOST_WRITES);
      await this.#store.transact(some.map(({ run }) => ({ delete: keys.run(edge, user, pod, run) })));
    }
  }
}

/** @param runs by pod and age, as they are stored */
function newestOf(runs: readonly KnownRun[]): KnownRun[] {
  return [...new Map(runs.map((run) => [run.pod, run])).values()];
}

function newsOf(...names: string[]): string {
  return JSON.stringify(names);
}

function neverStarted(state: ContainerState): boolean {
  return "terminated" in state && state.terminated.startedAt === null;
}
