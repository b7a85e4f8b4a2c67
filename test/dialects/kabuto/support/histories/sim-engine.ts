import type { ListedRun, LogFrame, PodRuntime, RunSpec, Started } from "#agent/pods/pod-runtime.ts";
import { StartFailure } from "#agent/pods/pod-runtime.ts";
import type { ContainerState } from "#protocol/operations.ts";
import { SimProcess } from "#test/faults/support/joint/sim-process.ts";
import type { VirtualTime } from "#test/faults/support/joint/virtual-time.ts";

/** What a job does: it writes `lines` over `ms`, and exits with `code`. */
export type Work = { ms: number; lines: number; code: number; stubborn: boolean };

/** As its command is written. */
export function commandOf({ ms, lines, code, stubborn }: Work): string {
  return `work ${ms} ${lines} ${code} ${stubborn ? "stubborn" : "polite"}`;
}

type Terminated = Extract<ContainerState, { terminated: unknown }>["terminated"];
type Container = {
  spec: RunSpec;
  work: Work;
  startedAt: number;
  end?: { at: number; told: Terminated };
};

export type EngineDeps = {
  time: VirtualTime;
  /** a container is about to be started, for the first time */
  starts(spec: RunSpec): void;
};

/** A container engine that outlives its agents: whoever dies in the middle of a call does not know what became of it. */
export class SimEngine {
  readonly #deps: EngineDeps;
  readonly #process = new SimProcess("engine");
  readonly #containers = new Map<string, Container>();
  /** lines of every container, also of those that are gone */
  readonly wrote = new Map<string, string[]>();
  readonly #hints = new Set<(run: string | undefined) => void>();
  #session = 0;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  /** Runs whose process goes on. */
  running(): RunSpec[] {
    return [...this.#containers.values()].filter(({ end }) => !end).map(({ spec }) => spec);
  }

  get size(): number {
    return this.#containers.size;
  }

  /** The machine goes down and comes back: what ran has ended, and is known still or not. */
  loseMachine(forgets: boolean): void {
    this.#session += 1;
    for (const [run, container] of [...this.#containers]) {
      if (container.end) continue;
      this.#end(run, 255, "NodeLost");
      if (forgets) this.#containers.delete(run);
    }
    this.#hint(undefined);
  }

  /** The engine as a life of the agent has it. */
  runtime(): PodRuntime {
    const engine = this;
    const { time } = this.#deps;
    return {
      get session() {
        return `s${engine.#session}`;
      },
      provider: "sim",
      prepare: () => this.#asked(() => undefined),
      start: (spec) => this.#asked(() => this.#start(spec)),
      addressOf: async () => undefined,
      adopt: () => this.#asked(() => undefined),
      stop: async (run, graceMs) => {
        await this.#asked(() => this.#stop(run, graceMs));
        while (this.#containers.get(run)?.end === undefined && this.#containers.has(run))
          await time.sleep(20);
      },
      remove: (run) =>
        this.#asked(() => {
          if (this.#containers.has(run) && !this.#containers.get(run)!.end) this.#end(run, 137, "Error");
          this.#containers.delete(run);
        }),
      inspect: (run) => this.#asked(() => this.#stateOf(run)),
      list: () => this.#asked(() => this.#list()),
      logs: (run, options) => this.#logs(run, options),
      watch: (hint) => this.#watch(hint),
      written: async () => ({ bytes: 0, directories: [] }),
      usage: async () => undefined,
      missing: async () => undefined,
      nodes: async () => [{ name: "node1", kind: "MPU", status: "True" }],
      tidy: async () => undefined,
      close: async () => undefined,
    };
  }

  /** A call takes its time both ways; who asks may be dead before the answer, and the engine does it all the same. */
  #asked<T>(work: () => T): Promise<T> {
    const caller = SimProcess.current;
    const { time } = this.#deps;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const heard = (tell: () => void) =>
      time.after(time.between(0, 10), () => caller?.within(() => caller.alive && tell()), this.#process);
    const done = () => {
      try {
        const value = work();
        heard(() => resolve(value));
      } catch (error) {
        heard(() => reject(error));
      }
    };
    time.after(time.between(0, 10), done, this.#process);
    return promise;
  }

  #start(spec: RunSpec): Started {
    const { time } = this.#deps;
    const known = this.#containers.get(spec.run);
    if (!known) {
      const work = workOf(spec);
      if (work.ms < 0) throw new StartFailure("there is no such program");
      this.#deps.starts(spec);
      const container: Container = { spec, work, startedAt: Date.now() };
      this.#containers.set(spec.run, container);
      this.wrote.set(spec.run, []);
      for (let n = 0; n < work.lines; n++) {
        const at = Math.floor((work.ms * n) / work.lines);
        time.after(at, () => this.#write(spec.run, n), this.#process);
      }
      time.after(work.ms, () => this.#end(spec.run, work.code), this.#process);
    }
    return { node: "node1", startedAt: this.#containers.get(spec.run)!.startedAt };
  }

  #write(run: string, n: number): void {
    const container = this.#containers.get(run);
    if (container && !container.end) this.wrote.get(run)!.push(`${run} ${n}`);
  }

  #stop(run: string, graceMs: number): void {
    const container = this.#containers.get(run);
    if (!container || container.end) return;
    const { time } = this.#deps;
    if (graceMs === 0) this.#end(run, 137, "Error");
    else if (container.work.stubborn) time.after(graceMs, () => this.#end(run, 137, "Error"), this.#process);
    else time.after(5, () => this.#end(run, 143, "Error"), this.#process);
  }

  #end(run: string, exitCode: number, reason = exitCode === 0 ? "Completed" : "Error"): void {
    const container = this.#containers.get(run);
    if (!container || container.end) return;
    const [startedAt, finishedAt] = [container.startedAt, Date.now()].map((at) => new Date(at).toISOString());
    container.end = {
      at: Date.now(),
      told: { exitCode, reason, startedAt: startedAt!, finishedAt: finishedAt! },
    };
    this.#hint(run);
  }

  #stateOf(run: string): ContainerState | undefined {
    const container = this.#containers.get(run);
    if (!container) return undefined;
    if (container.end) return { terminated: container.end.told };
    return { running: { startedAt: new Date(container.startedAt).toISOString() } };
  }

  #list(): ListedRun[] {
    return [...this.#containers.values()].map(({ spec: { run, user, pod }, end }) => ({
      ...{ run, user, pod },
      phase: end ? "ended" : "running",
    }));
  }

  async *#logs(
    run: string,
    { follow, since, signal }: { follow: boolean; since?: string; signal?: AbortSignal },
  ): AsyncGenerator<LogFrame> {
    const { time } = this.#deps;
    for (let at = 0; !signal?.aborted; ) {
      await this.#asked(() => undefined);
      const container = this.#containers.get(run);
      if (!container) return;
      // what was written before it ended is there when its end is
      const over = container.end !== undefined || !follow;
      for (const text of this.wrote.get(run)!.slice(at)) {
        const frame = frameOf(container.startedAt, at++, text);
        if (since === undefined || frame.time >= since) yield frame;
      }
      if (over) return;
      await time.sleep(time.between(1, 50));
    }
  }

  #watch(hint: (run: string | undefined) => void): () => void {
    const listener = SimProcess.current;
    const { time } = this.#deps;
    const tell = (run: string | undefined) =>
      void time.after(
        time.between(0, 30),
        () => listener?.within(() => listener.alive && hint(run)),
        this.#process,
      );
    this.#hints.add(tell);
    return () => this.#hints.delete(tell);
  }

  #hint(run: string | undefined): void {
    for (const hint of this.#hints) hint(run);
  }
}

/** Stamps grow with the lines, whatever the clock says. */
function frameOf(startedAt: number, n: number, text: string): LogFrame {
  const time = `${new Date(startedAt).toISOString().slice(0, -1)}${String(n).padStart(6, "0")}Z`;
  return { stream: "stdout", time, text: Buffer.from(text), partial: false };
}

function workOf({ args = [] }: RunSpec): Work {
  const [ms, lines, code] = args.slice(1, 4).map(Number) as [number, number, number];
  return { ms, lines, code, stubborn: args[4] === "stubborn" };
}
