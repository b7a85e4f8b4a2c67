import { isDeepStrictEqual } from "node:util";
import { pino } from "pino";
import { keys } from "#lambdas/ledger/keys.ts";
import type { State } from "#protocol/state.ts";
import { isTerminal } from "#protocol/state.ts";
import { Computer } from "#test/faults/support/joint/computer.ts";
import { type Fault, SimNetwork } from "#test/faults/support/joint/sim-network.ts";
import { SimProcess } from "#test/faults/support/joint/sim-process.ts";
import { WatchedTable } from "#test/faults/support/joint/sim-store.ts";
import type { VirtualTime } from "#test/faults/support/joint/virtual-time.ts";
import type { MemoryObjects } from "#test/support/memory-staging.ts";
import { JobAgent, PLACES } from "./job-agent.ts";
import { type Beginning, EDGE, JobGround, USER } from "./job-ground.ts";
import { JobModel, type JobShown } from "./job-model.ts";
import { commandOf, SimEngine, type Work } from "./sim-engine.ts";
import { SimVolumes } from "./sim-volumes.ts";

const LOG = pino({ level: process.env.PERIGEE_TEST_LOG ? "info" : "silent" });

/** The ground died while it was at a request. */
class GroundDied extends Error {
  override readonly name = "GroundDied";
}

export type PipelineAsked = { stop: boolean; jobs: readonly Work[] };
type Json = Record<string, unknown>;

/**
 * One user of Kabuto's API, a ground, an edge with an engine, in virtual time. Somebody looks at each job all the time,
 * and reads its results and rows with the next request as soon as it shows an end.
 */
export class JobHistoryWorld {
  readonly time: VirtualTime;
  readonly network: SimNetwork<JobGround>;
  readonly engine: SimEngine;
  readonly computer = new Computer("edge");
  readonly volumes = new SimVolumes();
  readonly objects: MemoryObjects = new Map();
  /** keys of what agents sent that arrived when its command had ended */
  readonly #late = new Set<string>();
  /** by their numbers */
  readonly jobs = new Map<number, JobModel>();
  /** calls that are not answered yet */
  readonly calls = new Set<string>();
  /** when the last of them was (ms of virtual time) */
  quietAt = 0;
  readonly #pipelines: { id: number; jobs: number[] }[] = [];
  readonly #beginning: Beginning;
  readonly #table: WatchedTable;
  readonly #outside = new SimProcess("outside");
  #ground: JobGround | undefined;
  #agent: JobAgent | undefined;
  #downMs = 0;
  #healed = false;
  #over = false;
  #violation: unknown;

  constructor(time: VirtualTime, beginning: Beginning) {
    this.time = time;
    this.#beginning = beginning;
    this.#table = new WatchedTable(() => undefined);
    this.#table.load(beginning.items);
    this.network = new SimNetwork(time, () => this.#ground);
    this.engine = new SimEngine({ time, starts: ({ run, pod }) => this.#starts(run, jobOf(pod)) });
  }

  /** Lets time go by. @throws what was found to be as it must not be */
  async run(ms: number, over: () => boolean = () => false): Promise<boolean> {
    const done = await this.time.run(ms, () => this.#violation !== undefined || over());
    if (this.#violation) throw this.#violation;
    return done;
  }

  act(work: () => void): void {
    this.#outside.within(work);
  }

  startGround(): void {
    this.#ground = new JobGround({
      ...{ table: this.#table, objects: this.objects, beginning: this.#beginning },
      epoch: () => this.#epoch(),
    });
    void this.#ground.process.death.then(() => this.time.after(this.#downMs, () => this.startGround()));
  }

  startAgent(): void {
    if (this.#over || this.#agent?.process.alive) return;
    const { computer, volumes, engine, network, time } = this;
    this.#agent = new JobAgent({
      ...{ computer, volumes, engine, network, time, log: LOG },
      believed: (epoch) => this.#fail(new Error(`the ground believed epoch ${epoch} after ${this.#epoch()}`)),
      arrived: (key) => {
        if (isTerminal(this.stateOf(commandOfKey(key))!)) this.#late.add(key);
      },
      ended: (error) => {
        if (error) this.#fail(error);
        this.#restart(this.#downMs);
      },
    });
  }

  #restart(downMs: number): void {
    for (const job of this.jobs.values()) job.maybe("Unwatched");
    this.#outside.within(() => this.time.after(downMs, () => this.startAgent()));
  }

  killGround(inTransactions: number, landed: boolean, downMs: number): void {
    this.#downMs = downMs;
    if (inTransactions > 0) this.#ground?.store.killAt(inTransactions, landed);
    else this.#ground?.process.kill();
  }

  killAgent(downMs: number): void {
    this.#agent?.process.kill();
    this.#restart(downMs);
  }

  stopAgent(downMs: number): void {
    this.#downMs = downMs;
    this.#agent?.stop();
  }

  /** The edge's machine goes down with everything on it, and comes back with its disk. */
  loseMachine(forgets: boolean, downMs: number): void {
    this.killAgent(downMs);
    for (const { pod } of this.engine.running()) this.jobs.get(jobOf(pod))?.maybe("NodeLost");
    this.engine.loseMachine(forgets);
  }

  fault(path: string, kind: Fault, count: number): void {
    this.network.faults.set(path, Array<Fault>(count).fill(kind));
  }

  /** Makes the pipelines with their jobs, and has somebody look at each job. */
  async make(asked: readonly PipelineAsked[]): Promise<void> {
    const made = this.#call("make", async () => {
      for (const { stop, jobs } of asked) {
        const pipeline = await this.#json("/pipeline", "POST", {
          name: "p",
          on_failure: stop ? "stop" : "continue",
        });
        const ids: number[] = [];
        for (const work of jobs) {
          const fields = { image_id: "1", command: commandOf(work), max_duration: "1" };
          const { id } = await this.#json(`/pipeline/${pipeline.id}/job`, "POST", fields);
          const model = new JobModel({ id: id as number, work, stop, before: ids });
          this.jobs.set(model.id, model);
          ids.push(model.id);
          void this.#outside.within(() => this.#observe(`/pipeline/${pipeline.id}/job/${id}`, model));
        }
        this.#pipelines.push({ id: pipeline.id as number, jobs: ids });
      }
    });
    if (!(await this.run(60_000, () => this.calls.size === 0))) throw new Error("nothing was made");
    await made;
  }

  submit(pick: number): void {
    const { id, jobs } = this.#pipelines[pick % this.#pipelines.length]!;
    void this.#call(`submit ${id}`, async () => {
      for (const job of jobs) this.jobs.get(job)!.submitting += 1;
      const answer = await this.#json(`/pipeline/${id}/submit`, "POST");
      if ("error" in answer) throw new Error(`submit was refused: ${JSON.stringify(answer)}`);
      for (const job of jobs) {
        if (!["in_queue", "running"].includes(String(answer[job]))) {
          throw new Error(`submit says ${JSON.stringify(answer)}`);
        }
        this.jobs.get(job)!.acknowledged = true;
      }
    });
  }

  /** Kill, or cancel, of a job. */
  end(verb: "kill" | "cancel", pick: number): void {
    const all = [...this.jobs.values()];
    const job = all[pick % all.length]!;
    void this.#call(`${verb} ${job.id}`, async () => {
      job.maybe(verb === "kill" ? "Killed" : "Cancelled");
      // the jobs behind one that was cancelled while it waited are skipped
      const path = this.#pathOf(job.id);
      const answer = await this.#json(`${path}/${verb}`, "POST");
      const refused = `Cannot ${verb} a job that is not ${verb === "kill" ? "" : "queued or "}running`;
      if (answer.message !== "Success" && answer.error !== refused) {
        throw new Error(`${verb} says ${JSON.stringify(answer)}`);
      }
    });
  }

  cancelPipeline(pick: number): void {
    const { id, jobs } = this.#pipelines[pick % this.#pipelines.length]!;
    void this.#call(`cancel of pipeline ${id}`, async () => {
      for (const job of jobs) this.jobs.get(job)!.maybe("Cancelled");
      await this.#json(`/pipeline/${id}/cancel`, "POST");
    });
  }

  /** The operator gives up what the edge does. */
  reset(): void {
    void this.#call("reset", async () => {
      for (const job of this.jobs.values()) job.maybe("Interrupted");
      await this.#atGround(({ ground }) => ground.ledger.resetEdge(EDGE));
    });
  }

  janitor(): void {
    void this.#call("janitor", () => this.#atGround(({ ground }) => ground.janitor.round()));
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    this.network.faults.clear();
    this.network.percentLost = 0;
    this.network.cutUntil = 0;
    this.#downMs = 0;
    this.#healed = true;
    this.startAgent();
  }

  /** Nobody looks any more, and the edge is switched off. */
  leave(): void {
    this.#over = true;
    this.#agent?.process.kill();
  }

  close(): void {
    this.leave();
    this.computer.close();
  }

  /** Objects that agents sent and that are there still. */
  staged(): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith("downlink/"));
  }

  /** Does only the janitor remove it? What came too late, and what a command had sent that the operator gave up. */
  isLeftToJanitor(key: string): boolean {
    return this.#late.has(key) || this.stateOf(commandOfKey(key)) === "failed";
  }

  /** State of a run's command, as the ledger has it. */
  stateOf(run: string): State | undefined {
    const row = this.#table.get(keys.command(USER, run));
    return row && (JSON.parse(row.json) as { state: State }).state;
  }

  /** The lane of jobs, as its record has it. */
  lane(): string {
    return this.#table.get(keys.lane(EDGE, "kabuto"))?.json ?? "";
  }

  #epoch(): number {
    const row = this.#table.get(keys.edgeState(EDGE));
    return row ? (JSON.parse(row.json) as { epoch: number }).epoch : 0;
  }

  #pathOf(job: number): string {
    return `/pipeline/${this.#pipelines.find(({ jobs }) => jobs.includes(job))!.id}/job/${job}`;
  }

  /** What must hold when a container is started. */
  #starts(run: string, job: number): void {
    try {
      this.jobs.get(job)!.starts(run);
      const live = this.engine.running().filter((other) => {
        const state = this.stateOf(other.run);
        return state !== undefined && !isTerminal(state);
      });
      if (live.length >= PLACES.atOnce) throw new Error(`${live.length + 1} containers run at once`);
      const mine = this.#pathOf(job).split("/")[2];
      const beside = live.find(({ pod }) => this.#pathOf(jobOf(pod)).split("/")[2] === mine);
      if (beside) throw new Error(`${run} was started beside ${beside.run} of its pipeline`);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Looks at a job again and again, until the history is over. */
  async #observe(path: string, job: JobModel): Promise<void> {
    const look = async (wait: string) => (await this.#json(`${path}${wait}`))[job.id] as JobShown;
    try {
      while (!this.#over) {
        // who waits is answered at the very moment of a change
        const wait = !this.#healed && this.time.between(1, 4) > 1 ? "?wait=25" : "";
        const asked = this.time.now;
        const shown = await look(wait);
        if (job.shows(shown)) await this.#read(path, job, shown, () => look(""));
        job.lookedAt = asked;
        const isBusy = ["in_queue", "running"].includes(shown.state);
        await this.time.sleep(this.#healed ? 700 : this.time.between(1, isBusy ? 300 : 2_000));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** It has just shown an end: the next requests read what it left. */
  async #read(path: string, job: JobModel, shown: JobShown, again: () => Promise<JobShown>): Promise<void> {
    const result = () => this.#reading(`${path}?result`);
    const rows = () => this.#reading(`/execution/${job.id}/logs`);
    const zipFirst = this.time.between(0, 1) === 0;
    const first = await (zipFirst ? result() : rows());
    const second = await (zipFirst ? rows() : result());
    const after = await again();
    // somebody submitted it again meanwhile
    if (after.run !== shown.run) return;
    if (!isDeepStrictEqual(after, shown)) {
      throw new Error(`an end has changed: ${JSON.stringify([shown, after])}`);
    }
    job.left(shown, { zip: zipFirst ? first : second, rows: zipFirst ? second : first }, this.engine.wrote);
  }

  async #reading(path: string): Promise<{ type: string; text: string }> {
    const { type, body } = await this.#asked(path);
    return { type, text: body.toString() };
  }

  async #json(path: string, method = "GET", fields?: Record<string, string>): Promise<Json> {
    const { body } = method === "GET" ? await this.#asked(path) : await this.#once(path, method, fields);
    return JSON.parse(body.toString()) as Json;
  }

  /** A reading request is made until it is answered. */
  async #asked(path: string) {
    for (;;) {
      try {
        return await this.#once(path, "GET");
      } catch (error) {
        if (!(error instanceof GroundDied)) throw error;
        await this.time.sleep(200);
      }
    }
  }

  #once(path: string, method: string, fields?: Record<string, string>) {
    return this.#atGround((ground) => ground.ask(path, method, fields));
  }

  /** Users reach the ground whenever it lives. @throws GroundDied when it dies meanwhile */
  async #atGround<T>(work: (ground: JobGround) => Promise<T>): Promise<T> {
    const { time } = this;
    await time.sleep(time.between(0, 5));
    while (!this.#ground?.process.alive) await time.sleep(100);
    const ground = this.#ground;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const heard = (tell: () => void) => time.after(time.between(0, 5), tell, this.#outside);
    void ground.process.death.then(() => heard(() => reject(new GroundDied())));
    ground.process
      .within(() => work(ground))
      .then(
        (value) => heard(() => resolve(value)),
        (error) => heard(() => reject(error)),
      );
    return promise;
  }

  #call(name: string, work: () => Promise<void>): Promise<void> {
    this.calls.add(name);
    return work()
      .catch((error: unknown) => {
        if (!(error instanceof GroundDied)) this.#fail(error);
      })
      .finally(() => {
        this.calls.delete(name);
        this.quietAt = this.time.now;
      });
  }

  #fail(error: unknown): void {
    this.#violation ??= error;
  }
}

/** Whose content it is. */
function commandOfKey(key: string): string {
  return key.split("/")[3]!;
}

/** The number of a job, from the name of its pod, with or without its space. */
function jobOf(pod: string): number {
  return Number(/^j(\d+)/.exec(pod)![1]);
}
