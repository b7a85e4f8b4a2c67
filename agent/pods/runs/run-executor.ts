import { killPoint } from "#protocol/kill-point.ts";
import { NEVER_RAN, wholeSeconds } from "../docker/state.ts";
import { pullBackOff } from "../image-reference.ts";
import type { LogPusher } from "../logs/log-pusher.ts";
import type { PodManagerOptions } from "../pod-manager.ts";
import { ImageMissing, NotStartedYet, type PodRuntime, type RunSpec, StartFailure } from "../pod-runtime.ts";
import { place } from "./node-placement.ts";
import { type Action, deadlineOf } from "./run-planner.ts";
import { EVICTED, type RunRecord, type StopReason } from "./run-record.ts";
import { UserTidier } from "./user-tidier.ts";

type Terminated = NonNullable<RunRecord["end"]>;

export type ExecutorOptions = {
  runtime: PodRuntime;
  logs: LogPusher;
  resolveImage: PodManagerOptions["resolveImage"];
  records: ReadonlyMap<string, RunRecord>;
  suspects: Set<string>;
  /** Makes the record durable and tells of it. */
  save(record: RunRecord): void;
  now(): number;
  minuteMs: number;
  graceMs: number;
  retryMs: { first: number; most: number };
  runningPerUser: number;
  lingerMs: number;
  onError?: PodManagerOptions["onError"];
};

/** An evicted run fills the disk for as long as it may ignore SIGTERM. */
const EVICTED_GRACE_MS = 2_000;

const MAX_TIMER_MS = 2 ** 31 - 1;

class Closing extends Error {
  override readonly name = "Closing";
}

/** Carries out what the planner decided, one action per run at a time. */
export class RunExecutor {
  /** not to be tried before (ms since 1970), by run */
  readonly retryAt = new Map<string, number>();
  readonly #options: ExecutorOptions;
  readonly #failures = new Map<string, number>();
  readonly #tidier: UserTidier;
  /** ends the wait for a run's image, by run */
  readonly #preparing = new Map<string, () => void>();
  #closed = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#tidier = new UserTidier(options.lingerMs, (user) => this.#tidy(user));
  }

  /** What is under way in the engine goes on there, but nothing is noted or begun any more. */
  close(): void {
    this.#closed = true;
    for (const end of this.#preparing.values()) end();
    this.#tidier.close();
  }

  /** Runs that wait for an image or a node look again at once. */
  retrySoon(): void {
    for (const record of this.#options.records.values()) {
      if (record.phase === "waiting") this.retryAt.delete(record.run);
    }
  }

  /** A run that was not started yet may be by now. */
  lookSoon(run: string): void {
    if (this.#options.records.get(run)?.phase === "starting") this.retryAt.delete(run);
  }

  forget(run: string): void {
    this.retryAt.delete(run);
    this.#failures.delete(run);
    this.#options.suspects.delete(run);
  }

  /** Notes durably that the run is to end; whoever plans next stops it. */
  requestStop(record: RunRecord, reason: StopReason, evictedFor?: RunRecord["evictedFor"]): void {
    if (record.phase === "ended" || record.stopReason) return;
    record.stopReason = reason;
    if (evictedFor) record.evictedFor = evictedFor;
    record.stopAt = this.#options.now();
    this.retryAt.delete(record.run);
    this.#save(record);
    this.#preparing.get(record.run)?.();
  }

  /** Ends a run that the engine never heard of. */
  endUnstarted(record: RunRecord, reason: string, message: string): void {
    record.removed = true;
    this.#end(record, neverRan(reason, message), false);
    this.#preparing.get(record.run)?.();
  }

  async perform(action: Exclude<Action, { do: "abandon" | "forget" }>, record: RunRecord): Promise<void> {
    try {
      await this.#perform(action, record);
    } catch (error) {
      if (error instanceof Closing) return;
      // A settle that failed is repeated by the next comparison, anything else after a pause.
      if (action.do === "settle") this.#options.suspects.delete(record.run);
      else this.#backOff(record);
      throw error;
    }
  }

  #perform(action: Exclude<Action, { do: "abandon" | "forget" }>, record: RunRecord): Promise<void> {
    switch (action.do) {
      case "begin":
        return this.#begin(record, action.replaces);
      case "resume":
        return this.#resume(record);
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

  async #begin(record: RunRecord, replaces: readonly string[]): Promise<void> {
    const { user, input } = record;
    if (record.phase === "scheduled") {
      record.phase = "waiting";
      record.reason = "ContainerCreating";
      record.message = undefined;
      record.dueAt = this.#options.now();
      this.#save(record);
    }
    const image = await this.#options.resolveImage(user, input.image);
    if (!this.#stillWaiting(record)) return;
    if (!image) return this.#wait(record, "ImagePullBackOff", pullBackOff(user, input.image));
    const nodes = await this.#options.runtime.nodes();
    if (!this.#stillWaiting(record)) return;
    const placed = place(input.node, nodes, this.#load());
    if ("unschedulable" in placed) return this.#wait(record, "Unschedulable", placed.unschedulable);
    record.imageId = image.id;
    if (!(await this.#prepare(record))) return;
    const mine = [...this.#options.records.values()].filter(
      (other) => other.user === user && (other.phase === "starting" || other.phase === "running"),
    );
    if (mine.length - replaces.length >= this.#options.runningPerUser) {
      return this.#wait(
        record,
        "Unschedulable",
        `${mine.length} pods of yours run already, the most there may be`,
      );
    }
    this.#failures.delete(record.run);
    const before = replaces
      .map((run) => this.#options.records.get(run))
      .filter((other) => other !== undefined);
    if (before.some((other) => other.phase !== "ended")) {
      for (const other of before) this.requestStop(other, "Replaced");
      record.reason = "ContainerCreating";
      record.message = undefined;
      return this.#save(record);
    }
    record.node = placed.node;
    record.session = this.#options.runtime.session;
    record.notStartedAt = this.#options.now();
    record.phase = "starting";
    record.reason = "ContainerCreating";
    record.message = undefined;
    this.#save(record);
    killPoint("pods.starting");
    await this.#launch(record);
  }

  /**
   * Waits until the run's image is where its node finds it. False when there is nothing to start any more, or not
   * now; what goes on then serves the next run.
   */
  async #prepare(record: RunRecord): Promise<boolean> {
    const { runtime, now, minuteMs } = this.#options;
    const { user, run, phase, imageId = "" } = record;
    const overAt = deadlineOf(record, { now: now(), minuteMs });
    const over = new Promise<false>((resolve) => this.#preparing.set(run, () => resolve(false)));
    const timer = setTimeout(() => this.#preparing.get(run)?.(), Math.min(overAt - now(), MAX_TIMER_MS));
    let done = false;
    try {
      done = await Promise.race([runtime.prepare({ user, imageId }).then(() => true), over]);
    } catch (error) {
      if (!(error instanceof ImageMissing)) throw error;
      if (record.phase === phase && !record.stopReason) this.#withoutImage(record);
      return false;
    } finally {
      clearTimeout(timer);
      this.#preparing.delete(run);
    }
    if (this.#closed) throw new Closing();
    return done && record.phase === phase && !record.stopReason && now() < overAt;
  }

  #withoutImage(record: RunRecord): void {
    record.phase = "waiting";
    this.#wait(record, "ImagePullBackOff", pullBackOff(record.user, record.input.image));
  }

  async #launch(record: RunRecord): Promise<void> {
    const { runtime } = this.#options;
    let startedAt: number | undefined;
    try {
      const started = await runtime.start(this.#specOf(record));
      record.node = started.node;
      startedAt = started.startedAt;
    } catch (error) {
      if (error instanceof NotStartedYet) return this.#wait(record, error.reason, error.message);
      if (error instanceof StartFailure) {
        return this.#end(record, neverRan("StartError", error.message), false);
      }
      if (error instanceof ImageMissing) {
        // With the run in its hands the engine may start it yet.
        if (!(await runtime.inspect(record.run))) return this.#withoutImage(record);
        return this.#wait(record, "ImagePullBackOff", pullBackOff(record.user, record.input.image));
      }
      throw error;
    }
    killPoint("pods.started");
    this.#running(record, startedAt);
  }

  /** @param told when it started by its node's clock, which is believed as far as ours can bear it out */
  #running(record: RunRecord, told = Number.NaN): void {
    const earliest = record.notStartedAt ?? record.dueAt ?? record.acceptedAt;
    record.phase = "running";
    record.startedAt = Number.isNaN(told) ? earliest : clamp(told, earliest, this.#options.now());
    record.deadline = record.startedAt + record.input.maxDuration * this.#options.minuteMs;
    this.#failures.delete(record.run);
    this.#save(record);
    this.#options.logs.follow(record);
  }

  /** The engine may or may not have got the start that was noted. */
  async #resume(record: RunRecord): Promise<void> {
    const asked = this.#options.now();
    const state = await this.#options.runtime.inspect(record.run);
    if (state && "running" in state) {
      await this.#options.runtime.adopt(this.#specOf(record));
      return this.#running(record, Date.parse(state.running.startedAt));
    }
    if (state && "terminated" in state) return this.#finish(record, state.terminated);
    // The engine knows of no start. It may have forgotten one when the machine went down: then never again.
    if (record.session !== this.#options.runtime.session) return this.#lost(record);
    if (!state && !(await this.#prepare(record))) return;
    record.notStartedAt = state ? asked : this.#options.now();
    await this.#launch(record);
  }

  async #stop(record: RunRecord, reason: StopReason): Promise<void> {
    const { runtime, now, graceMs } = this.#options;
    const decided = record.stopReason !== undefined;
    if (record.phase === "scheduled" || record.phase === "waiting") {
      const late = reason === "DeadlineExceeded";
      return this.endUnstarted(
        record,
        late ? reason : "Cancelled",
        late
          ? `Could not start within max_duration: ${record.message ?? record.reason}`
          : "Stopped before it started",
      );
    }
    if (!decided) {
      const state = await runtime.inspect(record.run);
      if (state && "terminated" in state) return this.#finish(record, state.terminated);
      this.requestStop(record, reason);
    }
    const given = record.stopReason === "Evicted" ? Math.min(graceMs, EVICTED_GRACE_MS) : graceMs;
    const grace = Math.max(0, (record.stopAt ?? now()) + given - now());
    killPoint("pods.stopping");
    await runtime.stop(record.run, Math.min(grace, given));
    killPoint("pods.stopped");
    const state = await runtime.inspect(record.run);
    if (state && "terminated" in state) return this.#finish(record, state.terminated);
    if (state && "running" in state) throw new Error("the engine says it stopped a run that still runs");
    if (record.phase === "running") return this.#lost(record);
    const told = reason === "DeadlineExceeded" || reason === "Evicted" ? reason : "Cancelled";
    this.#end(record, neverRan(told, "Stopped before it started"), false);
  }

  async #settle(record: RunRecord): Promise<void> {
    const state = await this.#options.runtime.inspect(record.run);
    this.#options.suspects.delete(record.run);
    if (state && "running" in state) return;
    if (state && "terminated" in state) return this.#finish(record, state.terminated);
    this.#lost(record);
  }

  #finish(record: RunRecord, told: Terminated): void {
    const started = record.startedAt === undefined ? told.startedAt : wholeSeconds(record.startedAt);
    const end: Terminated = {
      ...told,
      startedAt: started,
      // Not before its start, nor in time to come, whatever its node's clock says.
      finishedAt: told.finishedAt && wholeSeconds(this.#within(Date.parse(told.finishedAt), record)),
    };
    if (told.reason !== "NodeLost") {
      // The engine holds the deadline too, should we be gone by then.
      if (record.stopReason === "DeadlineExceeded" || told.reason === "DeadlineExceeded") {
        end.reason = "DeadlineExceeded";
        end.message = `Stopped after its max_duration of ${record.input.maxDuration} min`;
      } else if (record.stopReason === "Evicted") {
        end.reason = "Evicted";
        end.message = EVICTED[record.evictedFor ?? "quota"];
      }
    }
    this.#end(record, end, told.startedAt !== null);
  }

  /** The time nearest to it that lies between the run's start and now. */
  #within(time: number, { startedAt = time }: RunRecord): number {
    return clamp(time, startedAt, this.#options.now());
  }

  #lost(record: RunRecord): void {
    const startedAt = record.startedAt === undefined ? null : wholeSeconds(record.startedAt);
    this.#end(
      record,
      {
        exitCode: 255,
        reason: "NodeLost",
        startedAt,
        finishedAt: wholeSeconds(this.#options.now()),
        message: "The node lost the pod",
      },
      record.startedAt !== undefined,
    );
  }

  /** @param log is there output that must be pushed before users see the end? */
  #end(record: RunRecord, end: Terminated, log: boolean): void {
    record.phase = "ended";
    record.end = end;
    record.flushed = !log;
    this.#failures.delete(record.run);
    this.retryAt.delete(record.run);
    this.#options.suspects.delete(record.run);
    this.#save(record);
    if (log) this.#options.logs.follow(record);
  }

  async #flush(record: RunRecord): Promise<void> {
    await this.#options.logs.flush(record);
    killPoint("pods.flushed");
    record.flushed = true;
    this.#save(record);
  }

  async #remove(record: RunRecord): Promise<void> {
    const { runtime, logs } = this.#options;
    await runtime.remove(record.run);
    killPoint("pods.removed");
    record.removed = true;
    this.#save(record);
    logs.forget(record.run);
    this.tidyLater(record.user);
  }

  /** Gives back what the user's runs shared when none is left, after a while. */
  tidyLater(user: string): void {
    if (!this.#closed && !this.#hasRuns(user)) this.#tidier.later(user);
  }

  async #tidy(user: string): Promise<void> {
    if (this.#hasRuns(user)) return;
    try {
      await this.#options.runtime.tidy(user);
    } catch (error) {
      if (this.#closed) return;
      this.#options.onError?.(error, { doing: "tidy" });
      this.#tidier.later(user);
    }
  }

  /** Does the engine hold, or is it about to hold, a run of the user? */
  #hasRuns(user: string): boolean {
    return [...this.#options.records.values()].some(
      (record) =>
        record.user === user && !record.removed && record.phase !== "scheduled" && record.phase !== "waiting",
    );
  }

  /** False when it was stopped or dropped while we waited for something. */
  #stillWaiting(record: RunRecord): boolean {
    if (this.#closed) throw new Closing();
    return record.phase === "waiting" && record.stopReason === undefined;
  }

  #wait(record: RunRecord, reason: string, message: string): void {
    record.reason = reason;
    record.message = message || undefined;
    this.#save(record);
    this.#backOff(record);
  }

  #backOff(record: RunRecord): void {
    const { first, most } = this.#options.retryMs;
    const failures = this.#failures.get(record.run) ?? 0;
    this.#failures.set(record.run, failures + 1);
    this.retryAt.set(record.run, this.#options.now() + Math.min(first * 2 ** Math.min(failures, 20), most));
  }

  #save(record: RunRecord): void {
    if (this.#closed) throw new Closing();
    this.#options.save(record);
  }

  #load(): Map<string, number> {
    const load = new Map<string, number>();
    for (const { phase, node } of this.#options.records.values()) {
      if (node && (phase === "starting" || phase === "running")) load.set(node, (load.get(node) ?? 0) + 1);
    }
    return load;
  }

  #specOf(record: RunRecord): RunSpec {
    const { input } = record;
    return {
      run: record.run,
      user: record.user,
      pod: record.pod,
      volume: record.volume,
      volumePath: record.volumePath,
      imageId: record.imageId ?? "",
      node: record.node ?? "",
      kind: input.node,
      command: input.command,
      args: input.args,
      ports: input.ports,
      envs: input.envs,
      maxMs: input.maxDuration * this.#options.minuteMs,
      graceMs: this.#options.graceMs,
    };
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

function neverRan(reason: string, message: string): Terminated {
  return { exitCode: NEVER_RAN, reason, startedAt: null, finishedAt: null, message };
}
