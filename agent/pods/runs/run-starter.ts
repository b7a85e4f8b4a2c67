import { killPoint } from "#protocol/kill-point.ts";
import { inSpace } from "#protocol/names.ts";
import type { NodeReport } from "#protocol/wire.ts";
import type { LogPusher } from "../logs/log-pusher.ts";
import { ImageMissing, NotStartedYet, StartFailure } from "../pod-runtime.ts";
import { pullBackOff } from "../pull-back-off.ts";
import { clamp } from "./clamp.ts";
import { NO_FPGA } from "./no-fpga.ts";
import { place } from "./node-placement.ts";
import type { Preparations } from "./preparations.ts";
import type { RetryTimes } from "./retry-times.ts";
import type { RunBook } from "./run-book.ts";
import type { RunParts } from "./run-deps.ts";
import type { RunEndings } from "./run-endings.ts";
import { failed } from "./run-loader.ts";
import { deadlineOf } from "./run-planner.ts";
import type { RunRecord } from "./run-record.ts";
import { specOfRun } from "./spec-of-run.ts";
import type { UsageSampler } from "./usage-sampler.ts";

export type StarterDeps = RunParts & {
  book: RunBook;
  logs: LogPusher;
  retries: RetryTimes;
  preparations: Preparations;
  sampler: UsageSampler;
  endings: RunEndings;
};

/** Brings a run that is due into the engine, and finds out what became of a start that was cut short. */
export class RunStarter {
  readonly #deps: StarterDeps;

  constructor(deps: StarterDeps) {
    this.#deps = deps;
  }

  /** Places the run and starts it once `replaces` have ended: the first time it only tells them to. */
  async begin(record: RunRecord, replaces: readonly string[]): Promise<void> {
    const { book, runtimes, options, retries, endings, now, fpga = NO_FPGA } = this.#deps;
    const { user, input } = record;
    if (record.phase === "scheduled") {
      record.phase = "waiting";
      record.dueAt = now();
      // after a power cut it is due again: nothing was asked of the engine yet
      this.#creating(record, "saveSoon");
    }
    const [image, nodes] = await Promise.all([
      record.pinnedImage === undefined
        ? this.#deps.resolveImage(inSpace(user, input.imageSpace ?? input.space), input.image)
        : { id: record.pinnedImage },
      runtimes.of(record).nodes(),
    ]);
    if (!this.#stillWaiting(record)) return;
    if (!image) return this.#wait(record, "ImagePullBackOff", missingImage(record));
    const ready = fpga.usable(nodes);
    const placed = place(input, ready, this.#load());
    if ("unschedulable" in placed) return this.#wait(record, "Unschedulable", placed.unschedulable);
    record.imageId = image.id;
    if (!(await this.#prepare(record))) return;
    const mine = book.all().filter((other) => other.user === user && isStarted(other) && !other.kept);
    // Of those that commands wait for, the commands' own places are the bound.
    if (!record.kept && mine.length - replaces.length >= options.runningPerUser) {
      const message = `${mine.length} pods of yours run already, the most there may be`;
      return this.#wait(record, "Unschedulable", message);
    }
    retries.succeeded(record.run);
    const before = replaces.map((run) => book.get(run)).filter((other) => other !== undefined);
    if (before.some((other) => other.phase !== "ended")) {
      for (const other of before) endings.request(other, "Replaced");
      return this.#creating(record);
    }
    record.node = placed.node;
    record.kind = placed.kind;
    if (input.fpga) return this.#takeDevice(record, ready);
    await this.#toEngine(record);
  }

  /** A run whose device is its own and programmed goes on as any that was placed. */
  async launchLoaded(record: RunRecord): Promise<void> {
    record.loadedAt = this.#deps.now();
    await this.#toEngine(record);
  }

  async #toEngine(record: RunRecord): Promise<void> {
    const { runtimes, now } = this.#deps;
    record.session = runtimes.of(record).session;
    record.notStartedAt = now();
    record.phase = "starting";
    this.#creating(record);
    killPoint("pods.starting");
    await this.#launch(record);
  }

  /** From here on the device is this run's, until it has ended; it is to be programmed next. */
  #takeDevice(record: RunRecord, nodes: readonly NodeReport[]): void {
    const { book, endings } = this.#deps;
    const { held: image } = record.fpga ?? {};
    if (!image) {
      failed(endings, record, { code: "NOT_STORED", message: "the edge does not hold the image" });
      return;
    }
    const { kind, node } = record.input;
    const meant = nodes
      .filter((one) => (kind ?? one.kind) === one.kind && (node ?? one.name) === one.name)
      .map(({ name, status }) => ({ name, isReady: status === "True" }));
    const choice = (this.#deps.fpga ?? NO_FPGA).choose(image, meant, heldDevices(book.all()));
    if ("waits" in choice) {
      this.#wait(record, "Unschedulable", choice.waits);
      return;
    }
    if ("code" in choice) {
      failed(endings, record, choice);
      return;
    }
    record.node = choice.node;
    record.fpga = { held: image, device: choice.node };
    record.phase = "loading";
    record.reason = "FpgaLoading";
    record.message = undefined;
    book.save(record);
  }

  /** The engine may or may not have got the start that was noted. */
  async resume(record: RunRecord): Promise<void> {
    const { runtimes, endings, now, options } = this.#deps;
    const runtime = runtimes.of(record);
    const asked = now();
    const state = await runtime.inspect(record.run);
    if (state && "running" in state) {
      await runtime.adopt(specOfRun(record, options.graceMs));
      await this.#findAddress(record);
      return this.#running(record, Date.parse(state.running.startedAt));
    }
    if (state && "terminated" in state) return endings.finish(record, state.terminated);
    // The engine knows of no start. It may have forgotten one when the machine went down: then never again.
    if (record.session !== runtime.session) return endings.lost(record);
    if (!state && !(await this.#prepare(record))) return;
    record.notStartedAt = state ? asked : now();
    await this.#launch(record);
  }

  /**
   * Waits until the run's image is where its node finds it. False when there is nothing to start any more, or not
   * now; what goes on then serves the next run.
   */
  async #prepare(record: RunRecord): Promise<boolean> {
    const { book, runtimes, preparations, now } = this.#deps;
    const { user, run, phase, imageId = "" } = record;
    const overAt = deadlineOf(record, now());
    let done = false;
    try {
      done = await preparations.wait(run, overAt - now(), runtimes.of(record).prepare({ user, imageId }));
    } catch (error) {
      const isDue = record.phase === phase && !record.stopReason;
      if (error instanceof ImageMissing) {
        if (isDue) this.#withoutImage(record);
      } else if (error instanceof StartFailure) {
        if (isDue) this.#deps.endings.neverRan(record, "StartError", error.message);
      } else throw error;
      return false;
    }
    book.assertOpen();
    return done && record.phase === phase && !record.stopReason && now() < overAt;
  }

  async #launch(record: RunRecord): Promise<void> {
    const { runtimes, endings, options, fpga = NO_FPGA } = this.#deps;
    const runtime = runtimes.of(record);
    const device = record.fpga?.device;
    // an access to logic that is not its own, or not configured, can stop the whole computer
    if (record.input.fpga && (device === undefined || !fpga.isLoaded(device, record.run))) {
      const message = "the last load of the device was not this run's";
      return endings.neverRan(record, "FpgaLoadError", `LOAD_INTERRUPTED: ${message}`);
    }
    let startedAt: number | undefined;
    try {
      const started = await runtime.start({
        ...specOfRun(record, options.graceMs),
        ...(device !== undefined && {
          ...{ node: device, pinned: true },
          ...{ devices: fpga.filesOf(device), resource: fpga.resourceOf(device) },
        }),
      });
      record.node = started.node;
      startedAt = started.startedAt;
    } catch (error) {
      if (error instanceof NotStartedYet) return this.#wait(record, error.reason, error.message);
      if (error instanceof StartFailure) return endings.neverRan(record, "StartError", error.message);
      if (error instanceof ImageMissing) {
        // With the run in its hands the engine may start it yet.
        if (!(await runtime.inspect(record.run))) return this.#withoutImage(record);
        return this.#wait(record, "ImagePullBackOff", missingImage(record));
      }
      throw error;
    }
    killPoint("pods.started");
    await this.#findAddress(record);
    this.#running(record, startedAt);
  }

  /** A run of an agent before is reached again where it was, if there are addresses still. */
  async readdress(record: RunRecord): Promise<void> {
    const { address } = record;
    await this.#findAddress(record);
    if (record.phase !== "running") return this.#deps.addresses?.release(record.run);
    if (record.address !== address) this.#deps.book.save(record);
  }

  /** One of this machine where there are any, else that in the user's network. */
  async #findAddress(record: RunRecord): Promise<void> {
    const { run, user, pod, input, address: before } = record;
    if (!input.address) return;
    const { runtimes, addresses } = this.#deps;
    const runtime = runtimes.of(record);
    const inside = await runtime.addressOf(run);
    if (inside === undefined || !runtime.connect) {
      record.address = inside;
      return;
    }
    const connect = (port: number, signal: AbortSignal) => runtime.connect!(user, inside, port, signal);
    const own = await addresses?.give({ run, user, pod, ports: input.ports, before, connect });
    record.address = own ?? inside;
  }

  /** @param told when it started by its node's clock, which is believed as far as ours can bear it out */
  #running(record: RunRecord, told = Number.NaN): void {
    const { book, logs, retries, now } = this.#deps;
    const earliest = record.notStartedAt ?? record.dueAt ?? record.acceptedAt;
    record.phase = "running";
    record.startedAt = Number.isNaN(told) ? earliest : clamp(told, earliest, now());
    const { maxMs } = record.input;
    record.deadline = maxMs === undefined ? undefined : record.startedAt + maxMs;
    retries.succeeded(record.run);
    // that it may have been started is noted: the engine is asked again
    book.saveSoon(record);
    logs.follow(record);
    this.#deps.sampler.follow(record);
  }

  #withoutImage(record: RunRecord): void {
    record.phase = "waiting";
    // another run may have the device meanwhile: it is programmed anew
    if (record.fpga?.held) record.fpga = { held: record.fpga.held };
    delete record.loadedAt;
    this.#wait(record, "ImagePullBackOff", missingImage(record));
  }

  /** False when it was stopped or dropped while we waited for something. */
  #stillWaiting(record: RunRecord): boolean {
    this.#deps.book.assertOpen();
    return record.phase === "waiting" && record.stopReason === undefined;
  }

  /** Nothing is missing: its start is under way, or about to be. */
  #creating(record: RunRecord, save: "save" | "saveSoon" = "save"): void {
    record.reason = "ContainerCreating";
    record.message = undefined;
    this.#deps.book[save](record);
  }

  #wait(record: RunRecord, reason: string, message: string): void {
    record.reason = reason;
    record.message = message || undefined;
    this.#deps.book.save(record);
    this.#deps.retries.backOff(record.run);
  }

  /** Pods now on each node. */
  #load(): Map<string, number> {
    const load = new Map<string, number>();
    for (const { phase, node } of this.#deps.book.all()) {
      if (node && (phase === "loading" || phase === "starting" || phase === "running"))
        load.set(node, (load.get(node) ?? 0) + 1);
    }
    return load;
  }
}

function isStarted({ phase }: RunRecord): boolean {
  return phase === "loading" || phase === "starting" || phase === "running";
}

/** Nodes whose device a run holds. */
function heldDevices(records: readonly RunRecord[]): Set<string> {
  return new Set(
    records.flatMap(({ phase, fpga }) => (phase !== "ended" && fpga?.device ? [fpga.device] : [])),
  );
}

function missingImage({ user, input }: RunRecord): string {
  return pullBackOff(inSpace(user, input.imageSpace ?? input.space), input.image);
}
