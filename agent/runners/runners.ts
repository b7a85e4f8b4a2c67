import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import { nameAndTag } from "#protocol/image-reference.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import type { LiveTargets } from "../live/live-target.ts";
import type { PodRuntime } from "../pods/pod-runtime.ts";
import type { PodSessions } from "../sessions/pod-sessions.ts";
import { Inactivity } from "./inactivity.ts";
import { PoolExchange, type PoolExchangeDeps, type PoolExchangeOptions } from "./pool-exchange.ts";
import { RunnerBook } from "./runner-book.ts";
import { RunnerKeeper, type RunnerKeeperOptions } from "./runner-keeper.ts";
import type { RunnerBounds } from "./runner-spec.ts";
import { RunnerStarter } from "./runner-starter.ts";
import { RunnerStore } from "./runner-store.ts";
import { RunnerTargets } from "./runner-targets.ts";
import { ScratchWatch } from "./scratch-watch.ts";

export type RunnersDeps = {
  database: DatabaseSync;
  runtime: PodRuntime;
  sessions: PodSessions;
  resolveImage(user: string, reference: string): Promise<{ id: string } | undefined>;
  ground: PoolExchangeDeps["ground"];
  log: Pick<Logger, "warn">;
  /** default: a clock that is not set back while the process lives */
  now?: () => number;
};

export type RunnersOptions = RunnerKeeperOptions &
  PoolExchangeOptions & {
    bounds: RunnerBounds;
    /** between looks at what used runners have written, ms (default 10 s) */
    scratchMs?: number;
  };

/** ms since 1970; it goes on evenly whatever is done to the system's clock. */
const steadyNow = () => performance.timeOrigin + performance.now();

/** Can this edge run runners at all? */
export function canRunRunners(runtime: PodRuntime, sessions: PodSessions | undefined): boolean {
  const can = sessions?.features ?? [];
  return runtime.listRunners !== undefined && can.includes("exec") && can.includes("files");
}

/**
 * The runners of one edge: pools that are kept as wanted, also without contact, and what the ground and live sessions
 * need of them. Nothing of it runs until the first environment.
 */
export class Runners {
  readonly features: readonly string[] = [RUNNERS_FEATURE];
  /** runners as live sessions find them */
  readonly targets: LiveTargets;
  readonly #book: RunnerBook;
  readonly #keeper: RunnerKeeper;
  readonly #exchange: PoolExchange;
  readonly #inactivity: Inactivity;
  readonly #scratch: ScratchWatch;

  constructor(deps: RunnersDeps, options: RunnersOptions) {
    const { runtime, sessions, resolveImage, ground, log, now = steadyNow } = deps;
    const { bounds, scratchMs = 10_000 } = options;
    const book = new RunnerBook(new RunnerStore(deps.database));
    this.#book = book;
    const starter = new RunnerStarter({ book, runtime, sessions, resolveImage, bounds });
    const onError = (err: unknown, about?: object) => log.warn({ err, ...about }, "runners: tried again");
    const tell = () => this.#exchange.soon();
    const changed = () => this.#changed();
    this.#keeper = new RunnerKeeper({ book, runtime, starter, changed: tell, onError, now }, options);
    const exchanged = () => this.#look();
    // its first execution then takes one call of the engine and not two
    const handedOut = (runner: string) => void sessions.prepare(runner, "user");
    this.#exchange = new PoolExchange(
      { book, keeper: this.#keeper, ground, changed: exchanged, handedOut, onError, now },
      options,
    );
    this.#inactivity = new Inactivity({ book, ended: changed, now });
    this.#scratch = new ScratchWatch(
      { book, runtime, changed, onError },
      { scratchBytes: bounds.scratchBytes, everyMs: scratchMs },
    );
    this.targets = new RunnerTargets({ book, changed, now });
  }

  /** Takes up what an earlier life of this agent left. Call once; it needs no contact. */
  start(): void {
    this.#keeper.start();
    this.#inactivity.look();
    this.#scratch.begin();
  }

  /** There is a session with the ground. */
  connected(): void {
    this.#exchange.connected(this.#keeper.active);
  }

  /** What the ground's answer to a claim or a heartbeat says of the wanted pools. */
  heard(pools: number | undefined): void {
    this.#exchange.heard(pools);
  }

  /** The doorbell rang: a runner may have been handed out. */
  rung(): void {
    if (this.#keeper.active) this.#exchange.soon();
  }

  /** An image was built, loaded or published. */
  imagesChanged(): void {
    this.#keeper.imagesChanged();
  }

  /** Has the user a runner that was made from this image? */
  isImageInUse(user: string, name: string, tag: string): boolean {
    return this.#book.all().some((record) => {
      if (record.user !== user || record.removed) return false;
      const used = nameAndTag(record.image);
      return used.tag === tag && (used.name === name || used.name === `${user}-${name}`);
    });
  }

  /** Has the user a runner that is yet to be started from the image of this ID? */
  needsImage(user: string, imageId: string): boolean {
    return this.#book
      .all()
      .some((record) => record.state === "starting" && record.user === user && record.imageId === imageId);
  }

  /** Users with runners in which something may be written now. */
  users(): string[] {
    return [...new Set(this.#book.all().flatMap(({ user, state }) => (state === "used" ? [user] : [])))];
  }

  /** Ends the user's runner that holds most, reason `evicted`. @returns whether there was one */
  evict(user: string): Promise<boolean> {
    return this.#scratch.evict(user);
  }

  /** Lets go: the runners run on, and the next life of this agent takes them up. */
  async close(): Promise<void> {
    this.#inactivity.close();
    this.#scratch.close();
    await this.#exchange.close();
    await this.#keeper.close();
  }

  #changed(): void {
    this.#look();
    this.#exchange.soon();
  }

  #look(): void {
    this.#inactivity.look();
    this.#scratch.begin();
    this.#keeper.kick();
  }
}
