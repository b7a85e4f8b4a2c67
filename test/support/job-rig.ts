import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { pino } from "pino";
import { Budget } from "#agent/budget/budget.ts";
import { FailedSubmissions } from "#agent/jobs/failed-submissions.ts";
import type { JobDeps } from "#agent/jobs/job-deps.ts";
import { runJob } from "#agent/jobs/run-job.ts";
import { type OperationContext, ShuttingDown } from "#agent/operation.ts";
import type { PodManager, PodManagerDeps, PodManagerOptions } from "#agent/pods/pod-manager.ts";
import { Volumes } from "#agent/volumes/volumes.ts";
import type { InputOf, ResultOf } from "#protocol/operations.ts";
import { TestCommand } from "./operation-context.ts";
import { PodRig } from "./pod-rig.ts";

/** What a job is asked for: busybox in the space `tests`, by user `ann`. */
export type JobInput = InputOf<"job.run">;

/** An agent's parts for jobs on a real engine, whose lives end and go on; staging is a directory. */
export class JobRig {
  readonly pods: PodRig;
  readonly volumes: Volumes;
  /** bytes that a user may have */
  quota = 2 ** 40;
  readonly #over: Partial<PodManagerDeps & PodManagerOptions>;
  #manager: PodManager | undefined;

  static async create(): Promise<JobRig> {
    return new JobRig(await PodRig.create());
  }

  /** @param over what each of its managers has; default: busybox on the engine */
  constructor(pods: PodRig, over: Partial<PodManagerDeps & PodManagerOptions> = {}) {
    this.pods = pods;
    this.#over = over;
    mkdirSync(this.staging);
    this.volumes = new Volumes({
      root: JobRig.volumesOf(pods),
      database: pods.db,
      cache: path.join(pods.directory, "hashes"),
      log: pino({ level: "silent" }),
      freeFloorBytes: 0,
    });
  }

  /** Where the volumes of jobs are, for a runtime that has to know. */
  static volumesOf(pods: PodRig): string {
    return path.join(pods.directory, "agent-volumes");
  }

  get staging(): string {
    return path.join(this.pods.directory, "staging");
  }

  get manager(): PodManager {
    this.#manager ??= this.pods.manager(this.#over);
    return this.#manager;
  }

  /** The agent stops, and starts again on the same disk. */
  async restart(over: Partial<PodManagerDeps & PodManagerOptions> = {}): Promise<void> {
    await this.#manager?.close();
    this.#manager = this.pods.manager({ ...this.#over, ...over });
  }

  deps(): JobDeps {
    const { volumes } = this;
    const measure = (user: string) => volumes.measure(user);
    return {
      volumes,
      pods: this.manager,
      budget: new Budget({ known: async () => undefined, measure, quota: () => this.quota }),
      failures: new FailedSubmissions(this.pods.db),
      log: pino({ level: "silent" }),
    };
  }

  /** A job of `/bin/sh -c script` with these files. */
  job(script: string | undefined, over: Partial<JobInput> = {}, files: Record<string, string> = {}): TestJob {
    const bytes = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const input: JobInput = {
      space: "tests",
      pod: "job",
      image: "busybox",
      inbox: "/inbox",
      outbox: "/outbox",
      files: { count: Object.keys(files).length, bytes },
      ...(script !== undefined && { command: ["/bin/sh", "-c", script] }),
      envs: {},
      submission: "s1",
      onFailure: "continue",
      ...over,
    };
    const job = new TestJob(this, input);
    for (const [name, text] of Object.entries(files)) job.stage(name, text);
    return job;
  }

  /** What is left of jobs: volumes, runs that are kept, files that were received. */
  left(): { volumes: string[]; kept: string[] } {
    return {
      volumes: this.volumes.names("ann"),
      kept: this.manager.kept().map(({ run }) => run),
    };
  }

  async cleanUp(): Promise<void> {
    await this.pods.cleanUp();
    await this.volumes.close();
  }
}

/** One job with what is noted of it, over several lives of the agent. */
export class TestJob extends TestCommand<"job.run"> {
  readonly #rig: JobRig;
  #cancel = new AbortController();
  #kill = new AbortController();

  constructor(rig: JobRig, input: JobInput) {
    super(rig.staging, "ann", "job.run", input);
    this.#rig = rig;
  }

  cancel(): void {
    this.#cancel.abort(new Error("cancelled"));
  }

  kill(): void {
    this.#kill.abort(new Error("killed"));
    this.cancel();
  }

  run(signal?: AbortSignal, over: Partial<OperationContext<"job.run">> = {}): Promise<ResultOf<"job.run">> {
    const handled = { handleCancel: () => this.#cancel.signal, killed: this.#kill.signal };
    return runJob(this.#rig.deps(), { ...this.context(signal), ...handled, ...over });
  }

  /** Runs it until `step` is noted, or was about to be; then the agent stops. */
  async runUntil(step: string, when: "before" | "after"): Promise<void> {
    const stopping = new AbortController();
    const stop = (noted: string) => {
      if (noted !== step) return;
      stopping.abort(new ShuttingDown("the agent is stopping"));
      throw stopping.signal.reason;
    };
    if (when === "before") this.beforeNote = stop;
    else this.afterNote = stop;
    const ended = await this.run(stopping.signal).then(
      () => "succeeded",
      (error: unknown) => error,
    );
    if (!(ended instanceof ShuttingDown)) throw new Error(`it did not stop at ${step}`, { cause: ended });
    this.beforeNote = undefined;
    this.afterNote = undefined;
  }

  /** Resolves when its progress has come to a phase. */
  async comesTo(phase: string): Promise<void> {
    while (!this.progress.some((progress) => progress.phase === phase)) await this.#rig.pods.tick();
  }

  /** The files of its result, by name, as Python reads them. */
  result(): Record<string, string> {
    return filesOfZip(path.join(this.staging, "stored-0"));
  }
}

/** Text of the files of a zip by their names, as Python reads them. */
export function filesOfZip(file: string): Record<string, string> {
  const program = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
json.dump({n: z.read(n).decode("latin1") for n in z.namelist()}, sys.stdout)`;
  const options = { encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  return JSON.parse(execFileSync("python3", ["-c", program, file], options));
}
