import { setTimeout as delay } from "node:timers/promises";
import { killPoint } from "#protocol/kill-point.ts";
import type { LogPusher } from "../logs/log-pusher.ts";
import { isPermanentFault, MOST_FAULTS } from "../permanent-fault.ts";
import { NO_FPGA } from "./no-fpga.ts";
import { Preparations } from "./preparations.ts";
import { RetryTimes } from "./retry-times.ts";
import { BookClosed, type RunBook } from "./run-book.ts";
import type { RunParts } from "./run-deps.ts";
import { RunEndings } from "./run-endings.ts";
import { RunLoader } from "./run-loader.ts";
import type { Action } from "./run-planner.ts";
import type { RunRecord, StopReason } from "./run-record.ts";
import { RunStarter } from "./run-starter.ts";
import { UsageSampler } from "./usage-sampler.ts";
import { UserTidier } from "./user-tidier.ts";

export type ExecutorDeps = RunParts & { book: RunBook; logs: LogPusher };

/** What one run is to have done to it. */
export type RunAction = Exclude<Action, { do: "abandon" | "forget" }>;

/** An evicted run fills the disk for as long as it may ignore SIGTERM. */
const EVICTED_GRACE_MS = 2_000;

/** Carries out what the planner decided, one action per run at a time. */
export class RunExecutor {
  readonly endings: RunEndings;
  readonly #deps: ExecutorDeps;
  readonly #retries: RetryTimes;
  readonly #preparations = new Preparations();
  readonly #starter: RunStarter;
  readonly #loader: RunLoader;
  readonly #sampler: UsageSampler;
  readonly #tidier: UserTidier;
  /** permanent faults in a row, by run */
  readonly #faults = new Map<string, number>();

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
    const { options, now } = deps;
    this.#retries = new RetryTimes(options.retryMs, now);
    this.#sampler = new UsageSampler({ ...deps, now });
    const preparations = this.#preparations;
    const shared = { ...deps, retries: this.#retries, preparations, sampler: this.#sampler };
    this.endings = new RunEndings({ ...shared, released: (record) => this.#released(record) });
    this.#starter = new RunStarter({ ...shared, endings: this.endings });
    this.#loader = new RunLoader({
      ...{ book: deps.book, endings: this.endings, fpga: deps.fpga ?? NO_FPGA },
      launch: (record) => this.#starter.launchLoaded(record),
    });
    this.#tidier = new UserTidier(options.lingerMs, (user) => this.#tidy(user));
  }

  /** not to be tried before (ms since 1970), by run */
  get retryAt(): ReadonlyMap<string, number> {
    return this.#retries.at;
  }

  /** What is under way in the engine goes on there, but nothing is begun any more; the book is closed by then. */
  close(): void {
    this.#preparations.close();
    this.#sampler.close();
    this.#tidier.close();
  }

  /** Takes up again what goes on while a run runs. */
  watch(record: RunRecord): void {
    this.#deps.logs.follow(record);
    this.#sampler.follow(record);
    void this.#readdress(record);
  }

  /** Until it is reached: it runs, and nothing else would try again. */
  async #readdress(record: RunRecord): Promise<void> {
    const { book, onError, options } = this.#deps;
    for (let pause = options.retryMs.first; record.phase === "running" && !book.closed; ) {
      try {
        return await this.#starter.readdress(record);
      } catch (error) {
        if (!book.closed) onError?.(error, { run: record.run, doing: "address" });
      }
      await delay(pause, undefined, { ref: false });
      pause = Math.min(pause * 2, options.retryMs.most);
    }
  }

  /** Runs that wait for an image or a node look again at once. */
  retrySoon(): void {
    for (const { run, phase } of this.#deps.book.all()) if (phase === "waiting") this.#retries.soon(run);
  }

  /** A run that was not started yet may be by now. */
  lookSoon(run: string): void {
    if (this.#deps.book.get(run)?.phase === "starting") this.#retries.soon(run);
  }

  /** Its address is free, and its device, whose file is no longer needed. */
  #released({ run, user, fpga }: RunRecord): void {
    this.#deps.addresses?.release(run);
    if (!fpga) return;
    this.#deps.fpga?.released(user);
    if (fpga.device !== undefined) this.retrySoon();
  }

  forget(run: string): void {
    this.#retries.forget(run);
    this.#faults.delete(run);
  }

  /** Does it. What fails is not to be tried again before its {@link retryAt}, and never when it fails for good. */
  async perform(action: RunAction, record: RunRecord): Promise<void> {
    try {
      await this.#perform(action, record);
      this.#faults.delete(record.run);
    } catch (error) {
      if (error instanceof BookClosed) return;
      this.#giveUp(record, error);
      // A settle that failed is repeated by the next comparison, anything else after a pause.
      if (action.do === "settle") this.#deps.book.suspects.delete(record.run);
      else this.#retries.backOff(record.run);
      throw error;
    }
  }

  /** Ends a run that was not started, when what it asks for cannot even be asked of the engine. */
  #giveUp(record: RunRecord, error: unknown): void {
    const { run, phase } = record;
    if (phase === "running" || phase === "ended") return;
    const faults = isPermanentFault(error) ? (this.#faults.get(run) ?? 0) + 1 : 0;
    this.#faults.set(run, faults);
    if (faults < MOST_FAULTS) return;
    const message = `The engine cannot be asked for it: ${(error as Error).message}`;
    // What a start had got as far as making is removed.
    if (phase === "starting") this.endings.neverRan(record, "StartError", message);
    else this.endings.unstarted(record, "StartError", message);
  }

  #perform(action: RunAction, record: RunRecord): Promise<void> {
    switch (action.do) {
      case "begin":
        return this.#starter.begin(record, action.replaces);
      case "load":
        return this.#loader.load(record);
      case "resume":
        return this.#starter.resume(record);
      case "stop":
        return this.#stop(record, action.reason);
      case "settle":
        return this.#settle(record);
      case "flush":
        return this.#flush(record);
      case "remove":
        return this.#remove(record);
    }
  }

  async #stop(record: RunRecord, reason: StopReason): Promise<void> {
    const { runtimes, now, options } = this.#deps;
    const runtime = runtimes.of(record);
    const decided = record.stopReason !== undefined;
    if (record.phase === "scheduled" || record.phase === "waiting" || record.phase === "loading") {
      if (reason !== "DeadlineExceeded") {
        return this.endings.unstarted(record, "Cancelled", "Stopped before it started");
      }
      const message = `Could not start within max_duration: ${record.message ?? record.reason}`;
      return this.endings.unstarted(record, reason, message);
    }
    if (!decided || (record.kept !== undefined && !record.stopping)) {
      const state = await runtime.inspect(record.run);
      if (state && "terminated" in state) {
        // It was faster, and ended by itself.
        if (decided) delete record.stopReason;
        return this.endings.finish(record, state.terminated);
      }
      if (!decided) this.endings.request(record, reason);
      record.stopping = true;
      this.#deps.book.save(record);
    }
    const graceMs = record.stopGraceMs ?? record.input.graceMs ?? options.graceMs;
    const given = record.stopReason === "Evicted" ? Math.min(graceMs, EVICTED_GRACE_MS) : graceMs;
    const grace = Math.max(0, (record.stopAt ?? now()) + given - now());
    killPoint("pods.stopping");
    await runtime.stop(record.run, Math.min(grace, given));
    killPoint("pods.stopped");
    const state = await runtime.inspect(record.run);
    if (state && "terminated" in state) return this.endings.finish(record, state.terminated);
    if (state && "running" in state) throw new Error("the engine says it stopped a run that still runs");
    if (record.phase === "running") return this.endings.lost(record);
    const told = reason === "DeadlineExceeded" || reason === "Evicted" ? reason : "Cancelled";
    this.endings.neverRan(record, told, "Stopped before it started");
  }

  async #settle(record: RunRecord): Promise<void> {
    const state = await this.#deps.runtimes.of(record).inspect(record.run);
    this.#deps.book.suspects.delete(record.run);
    if (state && "running" in state) return;
    if (state && "terminated" in state) return this.endings.finish(record, state.terminated);
    this.endings.lost(record);
  }

  async #flush(record: RunRecord): Promise<void> {
    await this.#deps.logs.flush(record);
    killPoint("pods.flushed");
    record.flushed = true;
    record.logBytes = this.#deps.logs.pushedBytes(record.run);
    this.#deps.book.save(record);
  }

  async #remove(record: RunRecord): Promise<void> {
    const { book, runtimes, logs } = this.#deps;
    await runtimes.of(record).remove(record.run);
    killPoint("pods.removed");
    record.removed = true;
    // what is gone already is removed again
    book.saveSoon(record);
    logs.forget(record.run);
    this.tidyLater(record.user);
  }

  /** Ends a run without giving it time, also while it is being stopped with some. */
  kill(record: RunRecord, busy: boolean): void {
    this.endings.request(record, "Killed", { graceMs: 0 });
    if (!busy || !record.stopping) return;
    // Best effort: the stop that is under way ends it, and later.
    void this.#deps.runtimes
      .of(record)
      .stop(record.run, 0)
      .catch(() => undefined);
  }

  /** Gives back what the user's runs shared when none is left, after a while. */
  tidyLater(user: string): void {
    if (!this.#deps.book.closed && !this.#hasRuns(user)) this.#tidier.later(user);
  }

  async #tidy(user: string): Promise<void> {
    if (this.#hasRuns(user)) return;
    try {
      await this.#deps.runtimes.tidy(user);
    } catch (error) {
      if (this.#deps.book.closed) return;
      this.#deps.onError?.(error, { doing: "tidy" });
      this.#tidier.later(user);
    }
  }

  /** Does the engine hold, or is it about to hold, a run of the user? */
  #hasRuns(user: string): boolean {
    return this.#deps.book
      .all()
      .some(
        ({ user: owner, removed, phase }) =>
          owner === user && !removed && (phase === "starting" || phase === "running" || phase === "ended"),
      );
  }
}
