import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { xxh64 } from "@node-rs/xxhash";
import { volumesOf } from "#agent/jobs/job-volumes.ts";
import { LABEL } from "#agent/pods/labels.ts";
import { openStaged } from "#lambdas/content/staged-content.ts";
import { em } from "#lambdas/dialects/em/dialect.ts";
import type { EmbeddedOptions } from "#lambdas/embedded.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import type { InputOf, ResultOf } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { clientFor } from "../../scripts/docker-engine.ts";
import { FaultyProxy } from "../faults/support/faulty-proxy.ts";
import { Mortal } from "../faults/support/mortal.ts";
import { laneDialect } from "./lane-dialect.ts";
import { program } from "./programs.ts";
import { makeWorld, type UserClient, type World } from "./world.ts";

const AGENT = program("agent");

/** The engine that the tests use; the global setup found it. */
const docker = clientFor(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");

const LANE = {
  name: "jobs",
  width: 64,
  order: "round-robin",
  bounds: { queuePerEdge: 400, queuePerUser: 100 },
} as const;

export type SubmittedJob = {
  user?: string;
  script: string;
  group?: string;
  files?: Record<string, string>;
  input?: Partial<InputOf<"job.run">>;
};

/** A ground in this process with a lane for jobs, and a real agent process on the engine. */
export class JobWorld {
  readonly world: World;
  readonly agent: Mortal;
  /** between the agent and the ground */
  readonly contact: FaultyProxy;
  readonly client: UserClient;
  readonly #agentData: string;

  static async create(
    options: { jobs?: { atOnce: number; ahead: number }; ground?: Partial<EmbeddedOptions> } = {},
  ): Promise<JobWorld> {
    const world = await makeWorld({ dialects: [em, laneDialect(LANE)], ...options.ground });
    const agentData = join(world.data, "agent");
    mkdirSync(agentData);
    writeFileSync(join(agentData, "token"), world.agentToken, { mode: 0o600 });
    const { jobs } = options;
    const config = {
      publicImages: ["busybox:latest"],
      pollMs: 200,
      freeFloorBytes: 0,
      ...(jobs && { jobs }),
    };
    writeFileSync(join(agentData, "config.json"), JSON.stringify(config));
    const contact = await FaultyProxy.start(world.url);
    const agent = new Mortal("agent", AGENT, join(agentData, "kill"), {
      PERIGEE_GROUND: contact.url,
      PERIGEE_AGENT_TOKEN_FILE: join(agentData, "token"),
      PERIGEE_AGENT_DATA: agentData,
      PERIGEE_AGENT_CONFIG: join(agentData, "config.json"),
    });
    const client = await world.user("ann");
    await agent.start();
    return new JobWorld({ world, agent, contact, client, agentData });
  }

  private constructor(of: {
    world: World;
    agent: Mortal;
    contact: FaultyProxy;
    client: UserClient;
    agentData: string;
  }) {
    this.world = of.world;
    this.agent = of.agent;
    this.contact = of.contact;
    this.client = of.client;
    this.#agentData = of.agentData;
  }

  /** Where a job's outbox is on the edge, while there is one. */
  outbox({ user, id, input }: Pick<Command, "user" | "id" | "input">): string {
    const { space } = input as InputOf<"job.run">;
    return join(this.#agentData, "volumes", user, volumesOf(id, space).all[1]);
  }

  /** The containers that the engine has of a job. */
  async containers({ id }: Pick<Command, "id">): Promise<string[]> {
    const label = [`${LABEL.run}=${id}`];
    return (await docker.listContainers({ all: true, filters: { label } })).map(({ Id }) => Id);
  }

  /** Queues a job of `/bin/sh -c script`; its command. */
  async submit({ user = "ann", script, group, files = {}, input = {} }: SubmittedJob): Promise<Command> {
    const { dispatch, staging } = this.world.ground;
    const sizes = Object.values(files).map((text) => Buffer.byteLength(text));
    const whole: InputOf<"job.run"> = {
      space: "tests",
      pod: "job",
      image: "busybox",
      inbox: "/inbox",
      outbox: "/outbox",
      files: { count: sizes.length, bytes: sizes.reduce((a, b) => a + b, 0) },
      command: ["/bin/sh", "-c", script],
      envs: {},
      submission: "s",
      onFailure: "continue",
      ...input,
    };
    const same = {
      user,
      edge: "em1",
      lane: LANE.name,
      operation: "job.run",
      wait: { kind: "none" },
    } as const;
    if (sizes.length === 0) {
      const request = { ...same, input: whole, admission: "queue", ...(group && { group }) } as const;
      return (await dispatch.run(request)).command;
    }
    const reserved = await dispatch.reserve({ ...same, admission: "queue" });
    const prefix = reserved.prefix("_");
    const staged = await Promise.all(
      Object.entries(files).map(async ([path, text], n) => {
        const bytes = Buffer.from(text);
        await staging.put(`${prefix}${n}`, bytes, { maxBytes: bytes.length });
        return { n, path, size: bytes.length, xxh64: xxh64(bytes).toString(16).padStart(16, "0") };
      }),
    );
    return (await reserved.complete({ volume: "_", prefix, files: staged, input: whole })).command;
  }

  /** The command as the ledger has it now. */
  command({ user, id }: Pick<Command, "user" | "id">): Promise<Command> {
    return this.world.ground.ledger.command(user, id);
  }

  /** The command once `wanted` is true of it. */
  async until(of: Command, wanted: (command: Command) => boolean): Promise<Command> {
    for (;;) {
      const now = await this.command(of);
      if (wanted(now)) return now;
      if (isTerminal(now.state)) throw new Error(`it ended first: ${JSON.stringify(now)}`);
      await pause(50);
    }
  }

  /** The end of a job, which has to be one that its agent told. */
  async end(of: Command): Promise<ResultOf<"job.run">> {
    const ended = await this.until(of, ({ state }) => state === "succeeded");
    return ended.result as ResultOf<"job.run">;
  }

  /** Writes the zip of an ended job into a file; its path. */
  async zip(of: Command, { content }: ResultOf<"job.run">): Promise<string> {
    const command = await this.command(of);
    const { body } = await openStaged({ staging: this.world.ground.staging }, command, content!);
    const file = join(this.world.data, `${of.id}.zip`);
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk as Buffer);
    writeFileSync(file, Buffer.concat(chunks));
    return file;
  }

  /** Lines of a job's log, as its user reads them. */
  async lines({ id }: Pick<Command, "id">): Promise<string[]> {
    const answer = await this.client.fetch(`/commands/${id}/log`);
    const { data } = (await answer.json()) as { data: { rows: { text: string }[] } };
    return data.rows.map(({ text }) => text);
  }

  async close(): Promise<void> {
    await this.agent.stop();
    await cleanEngine(docker, this.#agentData);
    await this.contact.close();
    await this.world.close();
  }
}
