import { PerigeeError } from "#protocol/errors.ts";
import { nameAndTag } from "#protocol/image-reference.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { inSpace } from "#protocol/names.ts";
import type { ContainerState } from "#protocol/operations.ts";
import { podQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { NodeReport, PodReport } from "#protocol/wire.ts";
import { LogPusher } from "./logs/log-pusher.ts";
import { type NewRun, newRun } from "./runs/new-run.ts";
import { NO_FPGA } from "./runs/no-fpga.ts";
import { RunBook } from "./runs/run-book.ts";
import { RUN_DEFAULTS, type RunDeps, type RunOptions } from "./runs/run-deps.ts";
import { RunExecutor } from "./runs/run-executor.ts";
import type { RunFpga } from "./runs/run-fpga.ts";
import { RunLoop } from "./runs/run-loop.ts";
import { type EVICTED, type RunInput, type RunRecord, reportOf, visibleState } from "./runs/run-record.ts";
import { assertOneKind, isMachine } from "./runs/volume-kinds.ts";
import type { Runtimes } from "./runtimes.ts";

export type PodManagerDeps = RunDeps;
export type PodManagerOptions = RunOptions;

/**
 * The pods of one edge: takes runs, tells their state and stops them. Records are durable before anything is done
 * for them; the run loop brings the engine to what they say, also after a restart.
 */
export class PodManager {
  readonly #options: typeof RUN_DEFAULTS;
  readonly #now: () => number;
  readonly #runtimes: Runtimes;
  readonly #fpga: RunFpga;
  readonly #book: RunBook;
  readonly #logs: LogPusher;
  readonly #executor: RunExecutor;
  readonly #loop: RunLoop;

  constructor(deps: PodManagerDeps, options: PodManagerOptions = {}) {
    this.#options = { ...RUN_DEFAULTS, ...options };
    this.#now = deps.now ?? Date.now;
    this.#runtimes = deps.runtimes;
    this.#fpga = deps.fpga ?? NO_FPGA;
    this.#book = new RunBook(deps.db);
    this.#logs = new LogPusher({
      db: deps.db,
      runtimes: deps.runtimes,
      push: deps.push,
      flushMs: this.#options.logFlushMs,
      onError: (error, run) => {
        if (!this.#book.closed) deps.onError?.(error, { run, doing: "log" });
      },
    });
    const parts = { ...deps, options: this.#options, now: this.#now, book: this.#book, logs: this.#logs };
    this.#executor = new RunExecutor(parts);
    this.#loop = new RunLoop({ ...parts, executor: this.#executor });
  }

  /** Takes up all recorded runs again. Call once, before commands are handled. */
  start(): void {
    const records = this.#book.all();
    for (const record of records) if (record.phase === "running") this.#executor.watch(record);
    this.#loop.start();
    for (const user of new Set(records.map((record) => record.user))) this.#executor.tidyLater(user);
  }

  /** Lets go: pods run on, and the next manager over the same database takes them up. */
  async close(): Promise<void> {
    this.#book.close();
    this.#loop.close();
    this.#executor.close();
    await this.#logs.close();
  }

  /**
   * Accepts a run: durable when it returns (a `kept` one before it is started), starting is under way. A run that is
   * known already is left as it is.
   * @param run.volumes host paths of the volumes that it mounts, by name and space
   * @param run.kept its command waits for its end ({@link PodManager.until}), and gives it up with {@link PodManager.letGo};
   * its pod is then known under its name with the space, which users of other dialects cannot name
   * @throws PerigeeError QUOTA_EXCEEDED when too many runs of the user have not ended; POD_EXISTS; NOT_SUPPORTED;
   * VOLUME_IN_USE when a volume is a machine's disk, or is to be one, and others have it
   */
  accept(run: Omit<NewRun, "pod" | "provider">): void {
    if (this.#book.get(run.id)) return;
    const { user, input } = run;
    const name = run.kept ? inSpace(input.pod, input.space) : input.pod;
    this.#assertSupported(input);
    const open = this.#book.all().filter((record) => record.user === user && record.phase !== "ended");
    const sameName = open.filter(({ pod }) => pod === name);
    if (input.onSameName === "refuse" && sameName.length > 0) {
      throw new PerigeeError("POD_EXISTS", `The pod "${input.pod}" has not terminated`);
    }
    if (!run.kept && open.length >= this.#options.openPerUser) throw podQuotaExceeded(open.length);
    const { provider = this.#runtimes.main.provider } = input;
    assertOneKind({ provider, volumes: run.volumes }, open);
    const held = input.fpga && this.#fpga.find(user, input.fpga.image);
    this.#book.add(newRun({ ...run, pod: name, provider, ...(held && { fpga: { held } }) }, this.#now()));
    for (const other of sameName) {
      if (other.phase === "scheduled" || other.phase === "waiting") {
        const message = "A later run took its place before it started";
        this.#executor.endings.unstarted(other, "Cancelled", message);
      }
    }
    this.#loop.kick();
  }

  /** @throws PerigeeError NOT_SUPPORTED */
  #assertSupported({ provider, idleMs }: RunInput): void {
    if (provider !== undefined && !this.#runtimes.has(provider)) {
      throw new PerigeeError("NOT_SUPPORTED", `The edge does not run pods with ${provider}`);
    }
    if (idleMs !== undefined) {
      throw new PerigeeError("NOT_SUPPORTED", "The edge cannot tell whether a pod is idle");
    }
  }

  /**
   * What the latest run of a pod was asked for, to be run again at once, with the content of its image if it had one.
   * @throws PerigeeError POD_NOT_FOUND; POD_EXISTS when it has not terminated
   */
  specificationOf(user: string, pod: string): { input: RunInput; pinnedImage?: string | undefined } {
    const { phase, input, imageId, pinnedImage = imageId } = this.#latest(user, pod);
    if (phase !== "ended") throw new PerigeeError("POD_EXISTS", `The pod "${pod}" has not terminated`);
    const { scheduledAt: _, ...run } = input;
    return { input: { ...run, onSameName: "refuse" }, pinnedImage };
  }

  /** Is this run recorded? */
  has(run: string): boolean {
    return this.#book.get(run) !== undefined;
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
      await this.#book.until(() => !this.#isStarting(asked), this.#options.startWaitMs, signal);
    }
    const record = this.#latest(user, pod);
    if (record.phase !== "ended" || record.flushed) return visibleState(record);
    this.#logs.kick(record.run);
    await this.#book.until(() => record.flushed, this.#options.flushWaitMs, signal);
    const finished = record.end?.finishedAt ? Date.parse(record.end.finishedAt) : 0;
    if (!record.flushed && record.end && this.#now() - finished > this.#options.flushGraceMs) {
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
    const open = this.#book.ofPod(user, pod).filter((record) => record.phase !== "ended");
    for (const record of open) this.#executor.endings.request(record, "Stopped");
    this.#loop.kick();
    await this.#book.until(() => open.every((record) => record.phase === "ended"), undefined, signal);
  }

  /**
   * Kills every run of a pod and forgets them with their logs; done when the engine holds nothing of them. A pod that
   * is not there is no error.
   * @throws the reason of `signal`
   */
  async remove(user: string, pod: string, signal?: AbortSignal): Promise<void> {
    const runs = this.#book.ofPod(user, pod).filter(({ kept }) => kept === undefined);
    for (const record of runs) {
      if (!record.dropped) {
        record.dropped = true;
        this.#book.save(record);
      }
      killPoint("pods.dropped");
      if (record.phase !== "ended") this.#executor.kill(record, this.#loop.isBusy(record.run));
    }
    this.#loop.kick();
    await this.#book.until(() => runs.every(({ run }) => !this.#book.get(run)), undefined, signal);
  }

  /** What is known of a run now; undefined when it is not known, or not any more. */
  run(run: string): Readonly<RunRecord> | undefined {
    return this.#book.get(run);
  }

  /** Runs that are kept for their commands. */
  kept(): Readonly<RunRecord>[] {
    return this.#book.all().filter(({ kept }) => kept);
  }

  /**
   * Waits until `done` says so of a run, asked after every change.
   * @returns the run; undefined when it is not known, or not any more
   * @throws the reason of `signal`
   */
  async until(
    run: string,
    done: (record: Readonly<RunRecord>) => boolean,
    signal: AbortSignal,
  ): Promise<Readonly<RunRecord> | undefined> {
    const over = () => {
      const record = this.#book.get(run);
      return !record || done(record);
    };
    await this.#book.until(over, undefined, signal);
    return this.#book.get(run);
  }

  /** Ends a run; one that has ended, by itself too, stays as it is. Without `graceMs` it is killed at once. */
  end(run: string, graceMs = 0): void {
    const record = this.#book.get(run);
    if (!record) return;
    if (graceMs > 0) this.#executor.endings.request(record, "Cancelled", { graceMs });
    else this.#executor.kill(record, this.#loop.isBusy(run));
    this.#loop.kick();
  }

  /** The command of a kept run has ended, and with it the run if it still runs: its record goes as soon as it can. */
  letGo(run: string): void {
    const record = this.#book.get(run);
    if (!record?.kept) return;
    this.#book.assertOpen();
    const { phase, flushed, removed } = record;
    if (phase === "ended" && flushed && removed && !this.#loop.isBusy(run)) {
      this.#book.forget(run);
      this.#executor.forget(run);
      return;
    }
    record.kept = false;
    this.#book.save(record);
    this.end(run);
  }

  /** Stops the started pods of a user; the states say `Evicted` and why. */
  evict(user: string, why: keyof typeof EVICTED): void {
    for (const record of this.#started()) {
      if (record.user === user) this.#executor.endings.request(record, "Evicted", { evictedFor: why });
    }
    this.#loop.kick();
  }

  /** Runs of the user that run, and may write to the volume (its name with its space). */
  writersOf(user: string, volume: string): string[] {
    const writes = ({ input }: RunRecord) =>
      input.mounts.some((mount) => !mount.readOnly && inSpace(mount.volume, input.space) === volume);
    return this.#started()
      .filter((record) => record.phase === "running" && record.user === user && writes(record))
      .map(({ run }) => run);
  }

  /** Stops these runs, which write to a volume that is over its size. */
  evictWriters(runs: readonly string[]): void {
    for (const record of this.#started()) {
      if (runs.includes(record.run))
        this.#executor.endings.request(record, "Evicted", { evictedFor: "volume" });
    }
    this.#loop.kick();
  }

  /** Users with pods that may be writing now. */
  usersWithRunningPods(): string[] {
    return [...new Set(this.#started().map(({ user }) => user))];
  }

  async nodes(): Promise<NodeReport[]> {
    return this.#fpga.usable(await this.#runtimes.nodes());
  }

  /** Does a run of the user that has not started yet need the file of this digest on its FPGA? */
  needsFpgaFile(user: string, sha256: string): boolean {
    return this.#book.someOpen(
      (record) => record.user === user && record.phase !== "running" && record.fpga?.held?.sha256 === sha256,
    );
  }

  /** Does a run hold the device of this node? */
  holdsDevice(node: string): boolean {
    return this.#book.someOpen(({ fpga }) => fpga?.device === node);
  }

  /** An FPGA has become free, or answers again: runs that wait for one look again. */
  devicesChanged(): void {
    this.#executor.retrySoon();
    this.#loop.kick();
  }

  /** Does a pod that has not terminated use the volume (its name with its space)? Scheduled ones count. */
  isVolumeInUse(user: string, volume: string): boolean {
    return this.#book.someOpen((record) => record.user === user && Object.hasOwn(record.volumes, volume));
  }

  /** Is the volume (its name with its space) the disk of a virtual machine that has not terminated? */
  isDiskInUse(user: string, volume: string): boolean {
    return this.#book.someOpen(
      (record) => record.user === user && isMachine(record.provider) && Object.hasOwn(record.volumes, volume),
    );
  }

  /**
   * Does a pod that has not terminated run this image? Scheduled ones count.
   * @param owner the user, with the space if the image is in one
   */
  isImageInUse(owner: string, name: string, tag: string): boolean {
    return this.#book.someOpen((record) => {
      const { imageSpace = record.input.space } = record.input;
      if (inSpace(record.user, imageSpace) !== owner) return false;
      const used = nameAndTag(record.input.image);
      return used.tag === tag && (used.name === name || used.name === `${owner}-${name}`);
    });
  }

  /**
   * Does a run of the user that was begun still need the image of this ID? One that runs does not: its node has the
   * image, and it is never started again.
   */
  needsImage(user: string, imageId: string): boolean {
    return this.#book.someOpen(
      (record) => record.user === user && record.imageId === imageId && record.phase !== "running",
    );
  }

  /** An image was built, loaded or published: runs that wait for one look again. */
  imagesChanged(): void {
    this.#executor.retrySoon();
    this.#loop.kick();
  }

  /** Contact is back: logs that wait to be pushed are pushed now. */
  contactRestored(): void {
    this.#logs.kick();
  }

  /** The present state of every recorded run, oldest first. */
  reports(): PodReport[] {
    return this.#book.all().map(reportOf);
  }

  /** Tells `listener` of every change that users can see. @returns a function that ends it */
  onChange(listener: (report: PodReport) => void): () => void {
    return this.#book.onChange(listener);
  }

  #started(): RunRecord[] {
    return this.#book.all().filter(({ phase }) => phase === "starting" || phase === "running");
  }

  #isStarting(record: RunRecord): boolean {
    if (record.phase === "starting") return true;
    const creating = record.phase === "waiting" && record.reason === "ContainerCreating";
    return creating && this.#loop.isBusy(record.run);
  }

  #latest(user: string, pod: string): RunRecord {
    const record = this.#book.ofPod(user, pod).findLast(({ dropped }) => !dropped);
    if (!record) throw new PerigeeError("POD_NOT_FOUND", `No pod "${pod}" was ever run`);
    return record;
  }
}
