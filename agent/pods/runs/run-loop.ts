import type { LogPusher } from "../logs/log-pusher.ts";
import type { PodRuntime } from "../pod-runtime.ts";
import type { RunBook } from "./run-book.ts";
import type { RunParts } from "./run-deps.ts";
import type { RunExecutor } from "./run-executor.ts";
import { type Action, plan } from "./run-planner.ts";

export type RunLoopDeps = RunParts & { book: RunBook; logs: LogPusher; executor: RunExecutor };

const MAX_TIMER_MS = 24 * 3600_000;

/**
 * Holds what should run against what does run: asks the planner what is to be done whenever something may have
 * changed, and compares the records with the engine. Timers and engine events are hints.
 */
export class RunLoop {
  readonly #deps: RunLoopDeps;
  /** runs that something is being done for */
  readonly #busy = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #resyncTimer: NodeJS.Timeout | undefined;
  #resyncing: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;

  constructor(deps: RunLoopDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { book, executor, runtimes, options } = this.#deps;
    this.#unwatch = runtimes.watch((run) => {
      if (run === undefined) return void this.#resync();
      if (!book.get(run)) return;
      executor.lookSoon(run);
      book.suspects.add(run);
      this.kick();
    });
    this.#resyncTimer = setInterval(() => void this.#resync(), options.resyncMs);
    this.#resyncTimer.unref();
    void this.#resync();
    this.kick();
  }

  /** The book is closed by then: nothing is begun any more. */
  close(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#resyncTimer);
    this.#unwatch?.();
  }

  isBusy(run: string): boolean {
    return this.#busy.has(run);
  }

  /** Looks at what is to be done. It is called by timers, events and ends of promises: what fails is tried again. */
  kick(): void {
    if (this.#deps.book.closed) return;
    try {
      this.#next();
    } catch (error) {
      this.#tell(error, { doing: "plan" });
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.kick(), this.#deps.options.retryMs.most);
      this.#timer.unref();
    }
  }

  #next(): void {
    const { book, executor, options, now } = this.#deps;
    const { actions, wakeAt } = plan({
      records: book.all(),
      busy: this.#busy,
      suspects: book.suspects,
      retryAt: executor.retryAt,
      now: now(),
      unpushedPerUser: options.unpushedPerUser,
      endedPerUser: options.endedPerUser,
    });
    for (const action of actions) this.#perform(action);
    clearTimeout(this.#timer);
    if (wakeAt === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(wakeAt - now(), 0), MAX_TIMER_MS);
    this.#timer = setTimeout(() => this.kick(), delay);
    this.#timer.unref();
  }

  #perform(action: Action): void {
    const { book, executor, logs } = this.#deps;
    const { run } = action;
    const record = book.get(run);
    if (!record) return;
    if (action.do === "abandon") {
      logs.abandon(run);
      return;
    }
    if (action.do === "forget") {
      book.forget(run);
      executor.forget(run);
      return;
    }
    if (this.#busy.has(run)) return;
    this.#busy.add(run);
    void executor
      .perform(action, record)
      .catch((error) => this.#tell(error, { run, doing: action.do }))
      .finally(() => {
        this.#busy.delete(run);
        this.kick();
      });
  }

  /** Compares the records with what the engine holds. */
  #resync(): Promise<void> {
    this.#resyncing ??= this.#compareAll()
      .catch((error) => this.#tell(error, { doing: "list" }))
      .finally(() => {
        this.#resyncing = undefined;
        this.kick();
      });
    return this.#resyncing;
  }

  /** A runtime that does not answer keeps no other from being asked. */
  async #compareAll(): Promise<void> {
    const { book, runtimes } = this.#deps;
    for (const { provider, phase, run } of book.all()) {
      if (phase === "running" && provider !== undefined && !runtimes.has(provider)) book.suspects.add(run);
    }
    const compare = (runtime: PodRuntime) =>
      this.#compare(runtime).catch((error) => this.#tell(error, { doing: "list" }));
    await Promise.all(runtimes.all().map(compare));
  }

  async #compare(runtime: PodRuntime): Promise<void> {
    const { book, executor, runtimes } = this.#deps;
    if (book.closed) return;
    const listed = new Map((await runtime.list()).map((run) => [run.run, run]));
    // Records are read after the list: a run is recorded before the engine hears of it, so none looks foreign.
    for (const record of book.all()) {
      if (record.phase !== "running" || runtimes.of(record) !== runtime) continue;
      if (listed.get(record.run)?.phase !== "running") book.suspects.add(record.run);
    }
    for (const { run, user } of listed.values()) {
      const record = book.get(run);
      if (book.closed || (record && !(record.phase === "ended" && record.removed))) continue;
      try {
        await runtime.remove(run);
        executor.tidyLater(user);
      } catch (error) {
        // The next comparison tries it again; the others need not wait for it.
        this.#tell(error, { run, doing: "remove" });
      }
    }
  }

  #tell(error: unknown, about: { run?: string; doing: string }): void {
    if (!this.#deps.book.closed) this.#deps.onError?.(error, about);
  }
}
