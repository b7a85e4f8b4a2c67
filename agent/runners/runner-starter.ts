import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { killPoint } from "#protocol/kill-point.ts";
import type { WantedEnvironment } from "#protocol/pool-wire.ts";
import {
  ImageMissing,
  NoRunnerNetwork,
  NotStartedYet,
  type PodRuntime,
  type RunSpec,
  type Started,
  StartFailure,
} from "../pods/pod-runtime.ts";
import type { PodSessions } from "../sessions/pod-sessions.ts";
import type { RunnerBook } from "./runner-book.ts";
import type { RunnerRecord } from "./runner-record.ts";
import { type RunnerBounds, runnerSpec } from "./runner-spec.ts";
import { testExecution, Unfit } from "./test-execution.ts";

export type RunnerStarterDeps = {
  book: RunnerBook;
  runtime: PodRuntime;
  sessions: PodSessions;
  /** content ID of the image that a user means by a name */
  resolveImage(user: string, reference: string): Promise<{ id: string } | undefined>;
  bounds: RunnerBounds;
};

/** A start that lasts longer is given up. */
const START_MS = 10 * 60_000;
/** The test execution. */
const TEST_MS = 60_000;
const AGAIN_MS = 500;

/**
 * Starts one runner: recorded first, so that a container is never nobody's; idle only once it has executed something.
 * One that the planner ended meanwhile is given back as it is, ending.
 * @throws Unfit with a reason for users; the engine's own errors. The record then ends.
 */
export class RunnerStarter {
  readonly #deps: RunnerStarterDeps;

  constructor(deps: RunnerStarterDeps) {
    this.#deps = deps;
  }

  /**
   * @param tells.waits called with the reason while a cluster cannot place the runner yet
   * @param tells.failed called with the error before the record ends, as another runner may be started in its place then
   */
  async start(
    environment: WantedEnvironment,
    closing: AbortSignal,
    tells: { waits(why: string): void; failed(error: unknown): void },
  ): Promise<RunnerRecord> {
    const { book } = this.#deps;
    const { user, id, generation, spec } = environment;
    const record: RunnerRecord = {
      id: `${id}-${randomUUID()}`,
      user,
      generation,
      state: "starting",
      image: spec.image,
      ports: [],
    };
    try {
      book.add(record);
    } catch (error) {
      tells.failed(error);
      throw error;
    }
    killPoint("runners.recorded");
    const signal = AbortSignal.any([closing, book.ended(record), AbortSignal.timeout(START_MS)]);
    try {
      await this.#begin(environment, record, { signal, waits: tells.waits });
      if (record.state === "starting") book.change(record, { state: "idle" });
    } catch (error) {
      if (!closing.aborted && book.ended(record).aborted) return record;
      const reason = reasonOf(error, spec.image);
      if (!closing.aborted) {
        tells.failed(reason);
        book.end(record, "lost");
      }
      throw reason;
    }
    return record;
  }

  async #begin(
    environment: WantedEnvironment,
    record: RunnerRecord,
    { signal, waits }: { signal: AbortSignal; waits: (why: string) => void },
  ): Promise<void> {
    const { book, runtime, sessions, resolveImage, bounds } = this.#deps;
    const { user, spec } = environment;
    const image = spec.image === "" ? undefined : await resolveImage(user, spec.image);
    if (!image) throw new ImageMissing(spec.image);
    book.change(record, { imageId: image.id });
    await runtime.prepare({ user, imageId: image.id });
    signal.throwIfAborted();
    const runner = runnerSpec(record.id, environment, image.id, bounds);
    const { ports = [] } = await startWhenItCan(runtime, runner, { signal, waits });
    if (ports.length > 0) book.change(record, { ports: [...ports] });
    killPoint("runners.started");
    signal.throwIfAborted();
    await testExecution(sessions, record.id, AbortSignal.any([signal, AbortSignal.timeout(TEST_MS)]));
    killPoint("runners.tested");
  }
}

/** A cluster may take its time: what it waits for is the reason meanwhile. */
async function startWhenItCan(
  runtime: PodRuntime,
  spec: RunSpec,
  { signal, waits }: { signal: AbortSignal; waits: (why: string) => void },
): Promise<Started> {
  for (;;) {
    try {
      return await runtime.start(spec);
    } catch (error) {
      if (!(error instanceof NotStartedYet)) throw error;
      // any start begins with that
      if (error.reason !== "ContainerCreating") waits(error.message || error.reason);
    }
    await sleep(AGAIN_MS, undefined, { signal });
  }
}

function reasonOf(error: unknown, image: string): unknown {
  if (error instanceof ImageMissing) return new Unfit(`the image ${image} is not onboard`, { cause: error });
  if (error instanceof NoRunnerNetwork) return new Unfit(error.message, { cause: error });
  if (!(error instanceof StartFailure)) return error;
  const noShell = /\/bin\/bash/.test(error.message);
  return new Unfit(noShell ? `the image ${image} has no /bin/bash` : error.message, { cause: error });
}
