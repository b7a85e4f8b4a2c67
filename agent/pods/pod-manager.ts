import type { DatabaseSync } from "node:sqlite";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import type { ContainerState } from "#protocol/operations.ts";
import { podQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { NodeReport, PodReport } from "#protocol/wire.ts";
import { wholeSeconds } from "./docker/state.ts";
import { nameAndTag } from "./image-reference.ts";
import { LogPusher, type PushLog } from "./logs/log-pusher.ts";
import type { PodRuntime } from "./pod-runtime.ts";
import { RunExecutor } from "./runs/run-executor.ts";
import { type Action, plan } from "./runs/run-planner.ts";
import { type EVICTED, type RunInput, type RunRecord, reportOf, visibleState } from "./runs/run-record.ts";
import { RunStore } from "./runs/run-store.ts";

export type PodManagerOptions = {
  /** the agent's state; the manager makes its own tables in it */
  db: DatabaseSync;
  runtime: PodRuntime;
  /** The image that `reference` means for `user` now; undefined: there is none. */
  resolveImage(user: string, reference: string): Promise<{ id: string } | undefined>;
  /** Sends a chunk of a run's log to the ground; throws when it did not land (it is tried again). */
  push: PushLog;
  /** Something failed and is tried again: for the agent's log. */
  onError?(error: unknown, about: { run?: string; doing: string }): void;
  /** ms since 1970; default Date.now */
  now?: () => number;
  /** ms in a minute of max_duration; default 60 000 */
  minuteMs?: number;
  /** between SIGTERM and SIGKILL; default 30 000 */
  graceMs?: number;
  /** how often the engine is compared with the records without a hint; default 15 000 */
  resyncMs?: number;
  /** first and longest pause before something that failed is tried again; default 1 000 and 15 000 */
  retryMs?: { first: number; most: number };
  /** pods of one user that run at the same time; more wait as Unschedulable; default 16 */
  runningPerUser?: number;
  /** runs of one user that have not ended; more are refused; default 200 */
  openPerUser?: number;
  /** ended runs of one user whose log waits for contact; the oldest logs beyond are given up; default 16 */
  unpushedPerUser?: number;
  /** ended runs of one user that are remembered; the oldest beyond are forgotten; default 1 000 */
  endedPerUser?: number;
  /** how long a status waits for the end of a log; default 30 000 */
  flushWaitMs?: number;
  /** how long a status waits for a start that is under way; default 500 */
  startWaitMs?: number;
  /** how long an ended run shows as running at most because its log could not be pushed; default 600 000 */
  flushGraceMs?: number;
  /** how often a running log is pushed; default 500 */
  logFlushMs?: number;
  /** how long what a user's runs shared stays after the last of them; default 60 000 */
  lingerMs?: number;
};

const MAX_TIMER_MS = 24 * 3600_000;

/**
 * Holds what should run against what does run. Records are durable before anything is done for them; timers and
 * engine events are hints; after a restart everything is compared with the engine again.
 */
export class PodManager {
  readonly #options: Required<Omit<PodManagerOptions, "onError">> & Pick<PodManagerOptions, "onError">;
  readonly #store: RunStore;
  readonly #runtime: PodRuntime;
  readonly #logs: LogPusher;
  readonly #executor: RunExecutor;
  /** in order of acceptance */
  readonly #records = new Map<string, RunRecord>();
  readonly #busy = new Set<string>();
  readonly #suspects = new Set<string>();
  readonly #listeners = new Set<(report: PodReport) => void>();
  /** called after every change of a record */
  readonly #watchers = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #resyncTimer: NodeJS.Timeout | undefined;
  #resyncing: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;
  #closed = false;

  constructor(options: PodManagerOptions) {
    this.#options = {
      now: Date.now,
      minuteMs: 60_000,
      graceMs: 30_000,
      resyncMs: 15_000,
      retryMs: { first: 1_000, most: 15_000 },
      runningPerUser: 16,
      openPerUser: 200,
      unpushedPerUser: 16,
      endedPerUser: 1_000,
      flushWaitMs: 30_000,
      startWaitMs: 500,
      flushGraceMs: 600_000,
      logFlushMs: 500,
      lingerMs: 60_000,
      ...options,
    };
    this.#runtime = options.runtime;
    this.#store = new RunStore(options.db);
    this.#logs = new LogPusher({
      db: options.db,
      runtime: options.runtime,
      push: options.push,
      flushMs: this.#options.logFlushMs,
      onError: (error, run) => this.#tell(error, { run, doing: "log" }),
    });
    this.#executor = new RunExecutor({
      ...this.#options,
      logs: this.#logs,
      records: this.#records,
      suspects: this.#suspects,
      save: (record) => this.#save(record),
    });
    for (const record of this.#store.load()) this.#records.set(record.run, record);
  }

  /** Takes up all recorded runs again. Call once, before commands are handled. */
  start(): void {
    for (const record of this.#records.values()) if (record.phase === "running") this.#logs.follow(record);
    this.#unwatch = this.#runtime.watch((run) => {
      if (run === undefined) return void this.#resync();
      if (!this.#records.has(run)) return;
      this.#executor.lookSoon(run);
      this.#suspects.add(run);
      this.#kick();
    });
    this.#resyncTimer = setInterval(() => void this.#resync(), this.#options.resyncMs);
    this.#resyncTimer.unref();
    void this.#resync();
    this.#kick();
    for (const user of new Set([...this.#records.values()].map((record) => record.user))) {
      this.#executor.tidyLater(user);
    }
  }

  /** Lets go: pods run on, and the next manager over the same database takes them up. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#resyncTimer);
    this.#unwatch?.();
    this.#executor.close();
    await this.#logs.close();
    this.#changed();
  }

  /**
   * Accepts a run: durable when it returns, starting is under way. A run that is known already is left as it is.
   * @throws PerigeeError QUOTA_EXCEEDED when too many runs of the user have not ended
   */
  accept(run: { id: string; user: string; volumePath: string; input: RunInput }): void {
    if (this.#records.has(run.id)) return;
    const { user, input } = run;
    const open = [...this.#records.values()].filter((r) => r.user === user && r.phase !== "ended");
    if (open.length >= this.#options.openPerUser) {
      throw podQuotaExceeded(open.length);
    }
    const now = this.#options.now();
    const ahead = input.scheduledTime !== undefined && input.scheduledTime > now;
    const record = this.#store.insert({
      run: run.id,
      user,
      pod: input.pod,
      volume: input.volume,
      volumePath: run.volumePath,
      input,
      acceptedAt: now,
      ...(ahead
        ? {
            phase: "scheduled",
            reason: "Scheduled",
            message: `Scheduled to start at ${wholeSeconds(input.scheduledTime!)}`,
          }
        : { phase: "waiting", reason: "ContainerCreating", dueAt: now }),
      flushed: false,
      removed: false,
    });
    killPoint("pods.recorded");
    this.#records.set(run.id, record);
    this.#emit(record);
    for (const other of open) {
      if (other.pod === input.pod && (other.phase === "scheduled" || other.phase === "waiting")) {
        this.#executor.endUnstarted(other, "Cancelled", "A later run took its place before it started");
      }
    }
    this.#kick();
  }

  /** Is this run recorded? */
  has(run: string): boolean {
    return this.#records.has(run);
  }

  /**
   * State of the latest run of a pod. While the engine starts it this waits a moment for the outcome: who asks
   * again and again takes the processor from the start. When it has ended this waits a while for its log to be
   * pushed, for `terminated` is only told when all of the log can be read.
   * @throws PerigeeError POD_NOT_FOUND
   */
  async status(user: string, pod: string, signal?: AbortSignal): Promise<ContainerState> {
    const asked = this.#latest(user, pod);
    if (this.#isStarting(asked)) {
      await this.#until(() => !this.#isStarting(asked), this.#options.startWaitMs, signal);
    }
    const record = this.#latest(user, pod);
    if (record.phase !== "ended" || record.flushed) return visibleState(record);
    this.#logs.kick(record.run);
    await this.#until(() => record.flushed, this.#options.flushWaitMs, signal);
    const finished = record.end?.finishedAt ? Date.parse(record.end.finishedAt) : 0;
    if (!record.flushed && record.end && this.#options.now() - finished > this.#options.flushGraceMs) {
      return { terminated: record.end };
    }
    return visibleState(this.#latest(user, pod));
  }

  /**
   * Stops every run of a pod that has not ended, scheduled ones too; done when they have ended.
   * @throws PerigeeError POD_NOT_FOUND; the reason of `signal`
   */
  async stop(user: string, pod: string, signal?: AbortSignal): Promise<void> {
    this.#latest(user, pod);
    const open = this.#ofPod(user, pod).filter((record) => record.phase !== "ended");
    for (const record of open) this.#executor.requestStop(record, "Stopped");
    this.#kick();
    await this.#until(() => open.every((record) => record.phase === "ended"), undefined, signal);
  }

  /** Stops the started pods of a user; the states say `Evicted` and why. */
  evict(user: string, why: keyof typeof EVICTED): void {
    for (const record of this.#records.values()) {
      if (record.user !== user) continue;
      if (record.phase === "starting" || record.phase === "running") {
        this.#executor.requestStop(record, "Evicted", why);
      }
    }
    this.#kick();
  }

  /** Users with pods that may be writing now. */
  usersWithRunningPods(): string[] {
    const started = [...this.#records.values()].filter(
      ({ phase }) => phase === "starting" || phase === "running",
    );
    return [...new Set(started.map(({ user }) => user))];
  }

  nodes(): Promise<NodeReport[]> {
    return this.#runtime.nodes();
  }

  /** Does a pod that has not terminated use the volume? Scheduled ones count. */
  isVolumeInUse(user: string, volume: string): boolean {
    return this.#some((r) => r.user === user && r.volume === volume);
  }

  /** Does a pod that has not terminated run this image of the user? Scheduled ones count. */
  isImageInUse(user: string, name: string, tag: string): boolean {
    return this.#some((record) => {
      if (record.user !== user) return false;
      const used = nameAndTag(record.input.image);
      return used.tag === tag && (used.name === name || used.name === `${user}-${name}`);
    });
  }

  /**
   * Does a run of the user that was begun still need the image of this ID? One that runs does not: its node has the
   * image, and it is never started again.
   */
  needsImage(user: string, imageId: string): boolean {
    return this.#some((record) => {
      return record.user === user && record.imageId === imageId && record.phase !== "running";
    });
  }

  /** An image was built, loaded or published: runs that wait for one look again. */
  imagesChanged(): void {
    this.#executor.retrySoon();
    this.#kick();
  }

  /** Contact is back: logs that wait to be pushed are pushed now. */
  contactRestored(): void {
    this.#logs.kick();
  }

  /** The present state of every recorded run, oldest first. */
  reports(): PodReport[] {
    return [...this.#records.values()].map(reportOf);
  }

  /** Tells `listener` of every change that users can see. @returns a function that ends it */
  onChange(listener: (report: PodReport) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #isStarting(record: RunRecord): boolean {
    if (record.phase === "starting") return true;
    return record.phase === "waiting" && record.reason === "ContainerCreating" && this.#busy.has(record.run);
  }

  #some(matches: (record: RunRecord) => boolean): boolean {
    return [...this.#records.values()].some((record) => record.phase !== "ended" && matches(record));
  }

  #ofPod(user: string, pod: string): RunRecord[] {
    return [...this.#records.values()].filter((record) => record.user === user && record.pod === pod);
  }

  #latest(user: string, pod: string): RunRecord {
    const record = this.#ofPod(user, pod).at(-1);
    if (!record) throw new PerigeeError("POD_NOT_FOUND", `No pod "${pod}" was ever run`);
    return record;
  }

  #save(record: RunRecord): void {
    this.#store.update(record);
    this.#emit(record);
    this.#changed();
  }

  readonly #told = new Map<string, string>();

  #emit(record: RunRecord): void {
    const report = reportOf(record);
    const text = JSON.stringify(report);
    if (this.#told.get(record.run) === text) return;
    this.#told.set(record.run, text);
    for (const listener of this.#listeners) listener(report);
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Waits until `done()`, `ms` are over or the manager closes. @throws the reason of `signal` */
  #until(done: () => boolean, ms: number | undefined, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        signal?.removeEventListener("abort", abort);
        settle();
      };
      const look = () => {
        if (done()) end(resolve);
        else if (this.#closed) end(() => reject(new Error("the pod manager is closing")));
      };
      const abort = () => end(() => reject(signal?.reason));
      const timer = ms === undefined ? undefined : setTimeout(() => end(resolve), ms);
      this.#watchers.add(look);
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
      else look();
    });
  }

  /** Compares the records with what the engine holds. */
  #resync(): Promise<void> {
    this.#resyncing ??= this.#compare()
      .catch((error) => this.#tell(error, { doing: "list" }))
      .finally(() => {
        this.#resyncing = undefined;
        this.#kick();
      });
    return this.#resyncing;
  }

  async #compare(): Promise<void> {
    if (this.#closed) return;
    const listed = new Map((await this.#runtime.list()).map((run) => [run.run, run]));
    // Records are read after the list: a run is recorded before the engine hears of it, so none looks foreign.
    for (const record of this.#records.values()) {
      if (record.phase === "running" && listed.get(record.run)?.phase !== "running") {
        this.#suspects.add(record.run);
      }
    }
    for (const { run, user } of listed.values()) {
      const record = this.#records.get(run);
      if (this.#closed || (record && !(record.phase === "ended" && record.removed))) continue;
      try {
        await this.#runtime.remove(run);
        this.#executor.tidyLater(user);
      } catch (error) {
        // The next comparison tries it again; the others need not wait for it.
        this.#tell(error, { run, doing: "remove" });
      }
    }
  }

  /** Looks at what is to be done. It is called by timers, events and ends of promises: what fails is tried again. */
  #kick(): void {
    if (this.#closed) return;
    try {
      this.#next();
    } catch (error) {
      this.#tell(error, { doing: "plan" });
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#kick(), this.#options.retryMs.most);
      this.#timer.unref();
    }
  }

  #next(): void {
    const { actions, wakeAt } = plan({
      records: [...this.#records.values()],
      busy: this.#busy,
      suspects: this.#suspects,
      retryAt: this.#executor.retryAt,
      now: this.#options.now(),
      minuteMs: this.#options.minuteMs,
      unpushedPerUser: this.#options.unpushedPerUser,
      endedPerUser: this.#options.endedPerUser,
    });
    for (const action of actions) this.#perform(action);
    clearTimeout(this.#timer);
    if (wakeAt === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(wakeAt - this.#options.now(), 0), MAX_TIMER_MS);
    this.#timer = setTimeout(() => this.#kick(), delay);
    this.#timer.unref();
  }

  #tell(error: unknown, about: { run?: string; doing: string }): void {
    if (!this.#closed) this.#options.onError?.(error, about);
  }

  #perform(action: Action): void {
    const record = this.#records.get(action.run);
    if (!record) return;
    if (action.do === "abandon") {
      this.#logs.abandon(action.run);
      return;
    }
    if (action.do === "forget") {
      this.#store.delete(action.run);
      this.#records.delete(action.run);
      this.#told.delete(action.run);
      this.#executor.forget(action.run);
      return;
    }
    if (this.#busy.has(action.run)) return;
    this.#busy.add(action.run);
    void this.#executor
      .perform(action, record)
      .catch((error) => this.#tell(error, { run: action.run, doing: action.do }))
      .finally(() => {
        this.#busy.delete(action.run);
        this.#kick();
      });
  }
}
