import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type Docker from "dockerode";
import { ulid } from "ulid";
import { openEngine } from "#agent/engine/open-engine.ts";
import { DockerRuntime, type DockerRuntimeOptions } from "#agent/pods/docker/runtime.ts";
import { LABEL } from "#agent/pods/labels.ts";
import type { LogReader } from "#agent/pods/logs/log-pace.ts";
import type { LogChunk } from "#agent/pods/logs/log-pusher.ts";
import { PodManager, type PodManagerDeps, type PodManagerOptions } from "#agent/pods/pod-manager.ts";
import type { RunSpec } from "#agent/pods/pod-runtime.ts";
import type { RunInput } from "#agent/pods/runs/run-record.ts";
import { Runtimes } from "#agent/pods/runtimes.ts";
import type { ContainerState } from "#protocol/operations.ts";
import { makeBusyboxImage } from "./base-image.ts";

/** Says "up", then runs until SIGTERM, which it answers with exit code 5. */
export const SERVER = "trap 'echo down; exit 5' TERM; echo up; while :; do sleep 0.05; done";

/** Images that exist once for all: `image` names them for the rig's `resolveImage`. */
const BUSYBOX = "busybox";

/** Everything that a test of pods needs on a real engine, and its removal. */
export class PodRig {
  readonly docker: Docker = openEngine();
  readonly instance = `test-${ulid().toLowerCase()}`;
  readonly directory = mkdtempSync(path.join(os.tmpdir(), "perigee-pods-"));
  /** image IDs by the reference that means them, for every user */
  readonly images = new Map<string, string>();
  /** what was pushed, in the order it landed: a chunk sent twice lands once */
  readonly chunks: LogChunk[] = [];
  /** refuses pushes while it throws */
  contact: () => void = () => undefined;
  readonly errors: unknown[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #managers: PodManager[] = [];
  readonly #runtimes: DockerRuntime[] = [];
  readonly #variants: string[] = [];
  #database: DatabaseSync | undefined;

  static async create(): Promise<PodRig> {
    const rig = new PodRig();
    rig.images.set(BUSYBOX, await makeBusyboxImage(rig.docker));
    return rig;
  }

  get db(): DatabaseSync {
    this.#database ??= new DatabaseSync(path.join(this.directory, "state.sqlite"));
    return this.#database;
  }

  runtime(options: Partial<DockerRuntimeOptions> = {}): DockerRuntime {
    const runtime = new DockerRuntime({
      docker: this.docker,
      instance: this.instance,
      prefix: this.instance,
      nodes: [
        { name: "fpga", kind: "FPGA" },
        { name: "gpu", kind: "GPU", ready: false },
        { name: "mpu1", kind: "MPU" },
        { name: "mpu2", kind: "MPU" },
      ],
      limits: { memory: 64 * 1024 * 1024 },
      ...options,
    });
    this.#runtimes.push(runtime);
    return runtime;
  }

  /** A manager that has started, over the rig's database. */
  manager(over: Partial<PodManagerDeps & PodManagerOptions> = {}): PodManager {
    const deps: PodManagerDeps = {
      db: this.db,
      runtimes: new Runtimes(this.runtime()),
      resolveImage: async (_user, reference) => {
        const id = this.images.get(reference);
        return id === undefined ? undefined : { id };
      },
      push: async (chunk) => this.land(chunk),
      onError: (error) => this.errors.push(error),
      ...over,
    };
    const options = { graceMs: 2_000, logFlushMs: 50, retryMs: { first: 50, most: 200 }, ...over };
    const manager = new PodManager(deps, options);
    this.#managers.push(manager);
    manager.start();
    return manager;
  }

  /** What the ground does with a chunk. */
  land(chunk: LogChunk): LogReader {
    this.contact();
    if (!this.chunks.some(({ run, seq }) => run === chunk.run && seq === chunk.seq)) this.chunks.push(chunk);
    for (const resolve of this.#waiting.splice(0)) resolve();
    return "nobody";
  }

  /** Lines of a run's log as they landed, without their time stamps. */
  lines(run: string): string[] {
    const mine = this.chunks.filter((chunk) => chunk.run === run).sort((a, b) => a.seq - b.seq);
    const text = Buffer.concat(mine.map(({ data }) => data)).toString();
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.slice(line.indexOf(" ") + 1));
  }

  /** Resolves when that line of a run's log has landed. */
  async said(run: string, line: string): Promise<void> {
    while (!this.lines(run).includes(line)) await this.landed();
  }

  /** The database still says what it said before an operation whose answer got lost. */
  rewind(run: string, change: Record<string, unknown>): void {
    const { state } = this.db.prepare("SELECT state FROM pod_runs WHERE run = ?").get(run) as {
      state: string;
    };
    const text = JSON.stringify({ ...JSON.parse(state), ...change });
    this.db.prepare("UPDATE pod_runs SET state = ? WHERE run = ?").run(text, run);
  }

  /** This rig's containers in the engine. */
  containers(): Promise<Docker.ContainerInfo[]> {
    const label = [`${LABEL.instance}=${this.instance}`];
    return this.docker.listContainers({ all: true, filters: { label } });
  }

  /** Host path of a volume; it is made, writable for every user id. */
  volume(name: string): string {
    const directory = path.join(this.directory, "volumes", name);
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o777);
    return directory;
  }

  read(volume: string, file: string): string {
    return readFileSync(path.join(this.volume(volume), file), "utf8");
  }

  /** Resolves when the next chunk lands. */
  landed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** One turn of waiting for what has no event. */
  tick(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Resolves when every ended run is gone from the engine. */
  async settled(): Promise<void> {
    for (;;) {
      const rows = this.db.prepare("SELECT state FROM pod_runs").all() as { state: string }[];
      const states = rows.map(({ state }) => JSON.parse(state) as { phase: string; removed: boolean });
      if (states.every(({ phase, removed }) => phase !== "ended" || removed)) return;
      await this.tick();
    }
  }

  input(over: Partial<RunInput> = {}): RunInput {
    const pod = over.pod ?? "default";
    return {
      pod,
      mounts: [{ volume: pod, at: "/data" }],
      image: BUSYBOX,
      kind: "MPU",
      onSameName: "replace",
      maxMs: 3600_000,
      network: "user",
      defaultWorkdir: "/data",
      ports: [],
      envs: {},
      ...over,
    };
  }

  /** A run for a runtime: of busybox on the MPU, without a volume. */
  spec(command: string[], over: Partial<RunSpec> = {}): RunSpec {
    return {
      run: ulid(),
      user: "ada",
      pod: "default",
      mounts: [],
      network: "user",
      imageId: this.images.get(BUSYBOX)!,
      node: "mpu1",
      kind: "MPU",
      command,
      ports: [],
      envs: {},
      graceMs: 1_000,
      ...over,
    };
  }

  /** Starts a run; what it says until it ends. */
  async say(runtime: DockerRuntime, spec: RunSpec): Promise<string[]> {
    await runtime.start(spec);
    const said: string[] = [];
    for await (const { text } of runtime.logs(spec.run, { follow: true })) said.push(`${text}`);
    return said;
  }

  /**
   * A variant of busybox: with that in its configuration, after `script` has run in it. It goes with the rig.
   * @returns its ID
   */
  async variant(name: string, config: object, script?: string): Promise<string> {
    const container = await this.docker.createContainer({
      Image: this.images.get(BUSYBOX)!,
      Cmd: script === undefined ? ["true"] : ["/bin/sh", "-c", script],
    });
    if (script !== undefined) {
      await container.start();
      await container.wait();
    }
    const repo = `${this.instance}-${name}`;
    const { Id } = (await container.commit({ repo, ...config })) as { Id: string };
    await container.remove();
    this.#variants.push(`${repo}:latest`);
    return Id.startsWith("sha256:") ? Id : `sha256:${Id}`;
  }

  /** Accepts a run of busybox on the MPU; returns its id. */
  run(manager: PodManager, user: string, input: Partial<RunInput> = {}): string {
    const id = ulid();
    const whole = this.input(input);
    const volumes = whole.mounts.map(({ volume }) => [volume, this.volume(`${user}-${volume}`)]);
    manager.accept({ id, user, volumes: Object.fromEntries(volumes), input: whole });
    return id;
  }

  /** A run of `/bin/sh -c script`. */
  sh(manager: PodManager, user: string, script: string, input: Partial<RunInput> = {}): string {
    return this.run(manager, user, { command: ["/bin/sh", "-c", script], ...input });
  }

  /** Addresses at which the network reaches a running run. */
  async addresses(run: string): Promise<string[]> {
    const { NetworkSettings } = await this.docker
      .getContainer(`${this.instance}-${run.toLowerCase()}`)
      .inspect();
    return Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress);
  }

  async cleanUp(): Promise<void> {
    for (const manager of this.#managers) await manager.close();
    for (const runtime of this.#runtimes) await runtime.close();
    // What was under way in the engine when the managers closed may hold a network a moment longer.
    for (let turn = 0; turn < 100 && (await this.#sweep()) > 0; turn++) await this.tick();
    for (const variant of this.#variants) await this.docker.getImage(variant).remove({ force: true });
    this.#database?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Removes what is left in the engine; how many things there were. */
  async #sweep(): Promise<number> {
    const filters = { label: [`${LABEL.instance}=${this.instance}`] };
    const containers = await this.docker.listContainers({ all: true, filters });
    for (const { Id } of containers) {
      await this.docker
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch(() => undefined);
    }
    const networks = await this.docker.listNetworks({ filters });
    for (const { Id } of networks) {
      await this.docker
        .getNetwork(Id)
        .remove()
        .catch(() => undefined);
    }
    return containers.length + networks.length;
  }
}

/** Resolves with the state of a pod's run as soon as `wanted` is true of it; rejects when the run ends without. */
export function stateWhere(
  manager: PodManager,
  run: string,
  wanted: (state: ContainerState) => boolean,
): Promise<ContainerState> {
  return new Promise((resolve, reject) => {
    const look = ({ run: of, state }: { run: string; state: ContainerState }) => {
      if (of !== run || !(wanted(state) || ended(state))) return;
      end();
      if (wanted(state)) resolve(state);
      else reject(new Error(`the run ended first: ${JSON.stringify(state)}`));
    };
    const end = manager.onChange(look);
    for (const report of manager.reports()) look(report);
  });
}

export const running = (state: ContainerState) => "running" in state;
export const ended = (state: ContainerState) => "terminated" in state;
export const waitingFor = (reason: string) => (state: ContainerState) =>
  "waiting" in state && state.waiting.reason === reason;

type Terminated = Extract<ContainerState, { terminated: unknown }>["terminated"];

/** The end of a run. */
export async function endOf(manager: PodManager, run: string): Promise<Terminated> {
  const state = await stateWhere(manager, run, ended);
  if (!("terminated" in state)) throw new Error("not terminated");
  return state.terminated;
}
