import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Directory } from "../../files/directory.ts";
import { listSmall } from "./list-small.ts";
import type { Listing } from "./list-volume.ts";
import { ENTRIES, HASHED_MIB, STOP, type TreeAnswer, type TreeJob, type TreeState } from "./tree-job.ts";

export type Measure = Omit<TreeAnswer & { kind: "measured" }, "kind">;

export type ListJob = {
  /** file of the volume's known hashes */
  known: string;
  settledMs: number;
  maxEntries?: number;
  maxDepth?: number;
  maxText?: number;
};

/** Beside this file, or beside the bundle that contains it. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./tree-worker.ts" : "./tree-worker.js",
  import.meta.url,
);
const IDLE_MS = 60_000;
const PROGRESS_MS = 500;

/** A worker thread that lists and measures, one job after the other; started when needed, ended when idle. */
export class TreeWorker {
  #worker: Worker | undefined;
  #state: TreeState = newState();
  #queue: Promise<unknown> = Promise.resolve();
  /** jobs without an answer yet */
  #asked = 0;
  #idle: NodeJS.Timeout | undefined;

  /** @throws the signal's reason */
  async measure(directory: Directory, signal?: AbortSignal): Promise<Measure> {
    const answer = await this.#ask({ kind: "measure", fd: directory.fd }, signal);
    if (answer.kind !== "measured") throw new Error(`the tree worker answered ${answer.kind}`);
    return answer;
  }

  /** A small tree is listed on this thread. @throws the signal's reason */
  async list(
    directory: Directory,
    job: ListJob,
    signal?: AbortSignal,
    progress?: (entries: number, hashedMiB: number) => void,
  ): Promise<Listing> {
    signal?.throwIfAborted();
    // not while the worker has a job: it may be writing the hashes of the same volume
    const small = this.#asked === 0 ? listSmall(directory, job) : undefined;
    if (small) return small;
    const answer = await this.#ask({ kind: "list", fd: directory.fd, ...job }, signal, progress);
    if (answer.kind !== "listed") throw new Error(`the tree worker answered ${answer.kind}`);
    return answer;
  }

  async close(): Promise<void> {
    Atomics.store(this.#state, STOP, 1);
    await this.#queue;
    await this.#end();
  }

  #ask(
    job: TreeJob,
    signal?: AbortSignal,
    progress?: (entries: number, hashedMiB: number) => void,
  ): Promise<TreeAnswer> {
    this.#asked++;
    const asked = this.#queue.then(() => this.#do(job, signal, progress));
    this.#queue = asked.catch(() => undefined).finally(() => this.#asked--);
    return asked;
  }

  async #do(
    job: TreeJob,
    signal?: AbortSignal,
    progress?: (entries: number, hashedMiB: number) => void,
  ): Promise<TreeAnswer> {
    signal?.throwIfAborted();
    clearTimeout(this.#idle);
    const worker = this.#start();
    const state = this.#state;
    state.fill(0);
    const stop = () => Atomics.store(state, STOP, 1);
    signal?.addEventListener("abort", stop, { once: true });
    const timer =
      progress && setInterval(() => progress(state[ENTRIES] ?? 0, state[HASHED_MIB] ?? 0), PROGRESS_MS);
    worker.ref();
    const over = new AbortController();
    try {
      const answered = once(worker, "message", { signal: over.signal }) as Promise<[TreeAnswer]>;
      const ended = once(worker, "exit", { signal: over.signal }).then(([code]): never => {
        throw new Error(`the tree worker ended with ${code}`);
      });
      answered.catch(() => undefined);
      ended.catch(() => undefined);
      worker.postMessage(job);
      const [answer] = await Promise.race([answered, ended]);
      if (answer.kind === "stopped") {
        signal?.throwIfAborted();
        throw new Error("the tree worker was stopped");
      }
      if (answer.kind === "failed") {
        throw Object.assign(new Error(answer.message), answer.code !== undefined && { code: answer.code });
      }
      return answer;
    } finally {
      over.abort();
      clearInterval(timer);
      signal?.removeEventListener("abort", stop);
      worker.unref();
      this.#idle = setTimeout(() => void this.#end(), IDLE_MS).unref();
    }
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    this.#state = newState();
    const worker = new Worker(WORKER, {
      workerData: this.#state,
      name: "tree-worker",
      // without the flags of a test runner or debugger
      execArgv: [],
      // a listing is bounded; should that fail, the worker dies and not the agent
      resourceLimits: { maxOldGenerationSizeMb: 1024 },
    });
    worker.once("exit", () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    // the running job gets the error; without a listener it would end the process
    worker.on("error", () => undefined);
    this.#worker = worker;
    return worker;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}

function newState(): TreeState {
  return new Int32Array(new SharedArrayBuffer(12));
}
