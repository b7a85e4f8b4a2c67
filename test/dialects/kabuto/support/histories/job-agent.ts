import type { Logger } from "pino";
import { Backoff } from "#agent/backoff.ts";
import { Budget } from "#agent/budget/budget.ts";
import { bytesSource } from "#agent/files/ranged-source.ts";
import type { Spooled } from "#agent/files/spool.ts";
import type { GroundPort } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { discardDropped, sweepJobs } from "#agent/jobs/discard-job.ts";
import { FailedSubmissions } from "#agent/jobs/failed-submissions.ts";
import { forgetReceived } from "#agent/jobs/fetch-inbox.ts";
import type { JobDeps } from "#agent/jobs/job-deps.ts";
import { noteJobEnd } from "#agent/jobs/job-handlers.ts";
import { runJob } from "#agent/jobs/run-job.ts";
import { Journal } from "#agent/journal/journal.ts";
import { AgentLoop, Superseded } from "#agent/loop/agent-loop.ts";
import type { OperationContext, OperationHandlers } from "#agent/operation.ts";
import { readerOf } from "#agent/pods/logs/log-pace.ts";
import { PodManager } from "#agent/pods/pod-manager.ts";
import { Runtimes } from "#agent/pods/runtimes.ts";
import { OutgoingStore } from "#agent/transfers/outgoing-store.ts";
import { FEATURES } from "#protocol/older-agents.ts";
import * as wire from "#protocol/wire.ts";
import type { Computer } from "#test/faults/support/joint/computer.ts";
import { simDoorbell } from "#test/faults/support/joint/sim-doorbell.ts";
import { simGroundPort } from "#test/faults/support/joint/sim-ground-port.ts";
import type { SimNetwork } from "#test/faults/support/joint/sim-network.ts";
import { SimProcess } from "#test/faults/support/joint/sim-process.ts";
import type { VirtualTime } from "#test/faults/support/joint/virtual-time.ts";
import { EDGE, type JobGround } from "./job-ground.ts";
import type { SimEngine } from "./sim-engine.ts";
import type { SimVolumes } from "./sim-volumes.ts";

export type JobAgentDeps = {
  computer: Computer;
  volumes: SimVolumes;
  engine: SimEngine;
  network: SimNetwork<JobGround>;
  time: VirtualTime;
  log: Logger;
  /** an answer to what an agent says that is not the newest */
  believed(epoch: number): void;
  /** bytes that it sent have arrived under this key */
  arrived(key: string): void;
  /** it has ended by itself: superseded, stopped, or by an error that it should not have */
  ended(error: unknown): void;
};

/** Containers at once, and jobs that are claimed beside them. */
export const PLACES = { atOnce: 2, ahead: 3 };
const BEAT_MS = 30_000;
const STOP_MS = 2_000;

/** A life of an agent: its real loop, journal, jobs and pods on a computer's disk, over a simulated engine and network. */
export class JobAgent {
  readonly process = new SimProcess("agent");
  readonly #deps: JobAgentDeps;
  readonly #stopping = new AbortController();

  constructor(deps: JobAgentDeps) {
    this.#deps = deps;
    this.process.within(() => {
      this.#live().then(
        () => this.#end(undefined),
        (error: unknown) => this.#end(error instanceof Superseded ? undefined : error),
      );
    });
  }

  /** As an operator does it. */
  stop(): void {
    this.process.within(() => this.#stopping.abort());
  }

  #end(error: unknown): void {
    if (!this.process.alive) return;
    this.process.kill();
    this.#deps.ended(error);
  }

  async #live(): Promise<void> {
    const { computer, volumes, engine, log, network, time } = this.#deps;
    const { signal } = this.#stopping;
    const { database } = computer;
    const journal = new Journal(database);
    const session = new GroundSession(this.#port());
    const pods = new PodManager({
      db: database,
      runtimes: new Runtimes(engine.runtime()),
      resolveImage: async () => ({ id: "sha256:1" }),
      push: async ({ data, ...chunk }) => readerOf(await session.logs(chunk, data), session.ground.link),
    });
    const jobs: JobDeps = {
      volumes: volumes.ofAgent(),
      pods,
      budget: new Budget({ known: async () => undefined, measure: async () => 0, quota: () => 2 ** 40 }),
      failures: new FailedSubmissions(database),
      log,
    };
    try {
      const backoff = new Backoff();
      const features = Object.values(FEATURES);
      while (session.epoch === 0) {
        if (signal.aborted) return;
        await session
          .start({ journal: journal.id, version: "9", operations: ["job.run"], features })
          .catch(() => backoff.wait(signal));
      }
      pods.start();
      this.#beat(session);
      const sweep = () => void sweepJobs(jobs, journal);
      sweep();
      const deps = {
        ...{ session, journal, log, doorbell: simDoorbell(network, time, EDGE), jobs: PLACES },
        handlers: { "job.run": (context) => runJob(jobs, this.#context(context)) } as OperationHandlers,
        outgoing: new OutgoingStore(database, "/nonexistent"),
        ended: (...of: Parameters<typeof noteJobEnd> extends [unknown, ...infer R] ? R : never) =>
          noteJobEnd(jobs, ...of),
        dropped: (command: Parameters<typeof discardDropped>[1]) => void discardDropped(jobs, command),
        forgotten(commands: readonly string[]) {
          for (const id of commands) void forgetReceived(jobs, id);
          sweep();
        },
      };
      await new AgentLoop(deps, { graceMs: STOP_MS }).run(signal);
    } finally {
      await pods.close();
    }
  }

  /** What a job packs is its run's name; packed once, it stays on the disk until it was sent. */
  #context(context: OperationContext<"job.run">): OperationContext<"job.run"> {
    const { time, volumes } = this.#deps;
    const { id } = context.command;
    return {
      ...context,
      async spool(): Promise<Spooled> {
        await time.sleep(time.between(0, 30));
        const bytes = volumes.packed(id);
        const dispose = () => undefined;
        return { ...bytesSource([bytes]), xxh64: 0n, inFile: false, [Symbol.dispose]: dispose };
      },
    };
  }

  #beat(session: GroundSession): void {
    session.heartbeat({ nodes: [], usage: {}, free: 1 }).catch(() => undefined);
    this.#deps.time.after(BEAT_MS, () => this.#beat(session));
  }

  #port(): GroundPort {
    const { network, believed, arrived } = this.#deps;
    return {
      ...simGroundPort(network, believed),
      transfer: async (body) =>
        wire.transferResponse.parse(await network.request("/transfers", body, believed)),
      async logs(query, data) {
        const search = new URLSearchParams(
          Object.entries(query).map(([name, value]) => [name, String(value)] as [string, string]),
        );
        const answer = await network.request("/logs", { epoch: Number(query.epoch) }, believed, (ground) =>
          ground.request(`/logs?${search}`, Buffer.from(data), "PUT"),
        );
        return wire.logsResponse.parse(answer);
      },
      async put(url, body) {
        const chunks: Uint8Array[] = [];
        if (body instanceof Uint8Array) chunks.push(body);
        else for await (const chunk of body) chunks.push(chunk as Buffer);
        await network.call("put", async ({ staging }) => {
          arrived(await staging.upload(url, Buffer.concat(chunks)));
        });
      },
    };
  }
}
