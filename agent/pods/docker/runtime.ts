import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import os from "node:os";
import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { killPoint } from "#protocol/kill-point.ts";
import type { NodeKind } from "#protocol/names.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { NodeReport } from "#protocol/wire.ts";
import { ignoring, messageOf, statusOf } from "../../engine/engine-call.ts";
import { openEngine } from "../../engine/open-engine.ts";
import { isErrno } from "../../files/directory.ts";
import { cleanStartError } from "../clean-start-error.ts";
import { NEVER_RAN, terminated } from "../container-state.ts";
import { ImageConfigs } from "../image-configs.ts";
import { LABEL } from "../labels.ts";
import { DEFAULT_POD_LIMITS, type PodLimits } from "../pod-limits.ts";
import {
  ImageMissing,
  type ListedRun,
  type ListedRunner,
  type LogFrame,
  type PodRuntime,
  type RunSpec,
  type RunUsage,
  type Started,
  StartFailure,
  type Written,
} from "../pod-runtime.ts";
import { isRunnerId } from "../runs/run-id.ts";
import { isStoppable, tellAll } from "../shell-stop.ts";
import { type Cgroup, cgroupOf, usageOf } from "./cgroup-usage.ts";
import type { NodeDevices } from "./container.ts";
import { DockerCreator } from "./create.ts";
import { watchEvents } from "./events.ts";
import { isImagesFault, isPayloadsFault } from "./faults.ts";
import { Forwarders } from "./forward/forwarders.ts";
import { listedOf } from "./listed.ts";
import { framesOf, openLogStream } from "./logs.ts";
import { DockerMountPoints } from "./mount-points.ts";
import { containerName, runOfName } from "./names.ts";
import { mappedPorts, RunNetworks, type RunnerNetworkSettings } from "./run-networks.ts";
import { stateOf } from "./state.ts";
import { VolumeTurns } from "./volume-use.ts";
import { withinTime } from "./within-time.ts";
import { type Sized, writtenBeside } from "./written.ts";

/** A node of this edge. On Docker all nodes are one machine; they differ in kind and devices. */
export type NodeConfig = { name: string; kind: NodeKind /** default true */; ready?: boolean };

export type DockerRuntimeOptions = {
  /** default: the engine of the environment (`DOCKER_HOST`, else the usual socket) */
  docker?: Docker;
  /** unique per agent: label of everything it makes */
  instance: string;
  /** begins the names of containers and networks; default `perigee` */
  prefix?: string;
  /** begins the names of containers where they are to differ from those of another runtime; default `prefix` */
  containerPrefix?: string;
  /** of another runtime, which looks after them; default: its own */
  networks?: RunNetworks;
  /** ways into the networks: those of another runtime, or a directory for its own; default: none */
  forwarders?: Forwarders | { directory: string };
  /** of another runtime on the same volumes; default: its own */
  turns?: VolumeTurns;
  /** what a container is created with, instead of what every pod's is */
  shape?(container: Docker.ContainerCreateOptions): Docker.ContainerCreateOptions;
  nodes: readonly NodeConfig[];
  limits?: Partial<PodLimits>;
  devices?: NodeDevices;
  /** first two numbers of the /16 for the users' networks; default `10.191` */
  networkPool?: string;
  /** runners may have a network; default: none may */
  runnerNetwork?: RunnerNetworkSettings;
  /** ms after which a call that the engine does not answer fails; default 60 000 */
  timeoutMs?: number;
  /** hears once of what keeps pods from being closed off as they should be */
  warn?(message: string): void;
};

/** An engine that is asked whether it is there answers within this. */
const PING_MS = 5_000;

/** Pods as containers of a Docker engine (API 1.41 or newer) on this machine. */
export class DockerRuntime implements PodRuntime {
  readonly session: string;
  readonly provider = "docker";
  readonly #docker: Docker;
  readonly #options: Required<
    Omit<
      DockerRuntimeOptions,
      "docker" | "limits" | "warn" | "runnerNetwork" | "networks" | "forwarders" | "turns" | "shape"
    >
  > & {
    limits: PodLimits;
  };
  /** what runs are started on; another runtime may share them */
  readonly networks: RunNetworks;
  /** ways into the networks; another runtime may share them */
  readonly forwarders: Forwarders | undefined;
  readonly #looksAfterNetworks: boolean;
  readonly #boot: { id: string; at: number };
  readonly #imageConfigs: ImageConfigs;
  readonly #mountPoints = new DockerMountPoints();
  /** starts on one volume, of all runtimes that share these */
  readonly turns: VolumeTurns;
  /** of runs that are being measured */
  readonly #cgroups = new Map<string, Cgroup>();
  readonly #closing = new AbortController();
  readonly #creator: DockerCreator;

  constructor(options: DockerRuntimeOptions) {
    this.#docker = options.docker ?? openEngine();
    this.#options = {
      instance: options.instance,
      prefix: options.prefix ?? "perigee",
      containerPrefix: options.containerPrefix ?? options.prefix ?? "perigee",
      nodes: options.nodes,
      limits: { ...DEFAULT_POD_LIMITS, ...options.limits },
      devices: options.devices ?? {},
      networkPool: options.networkPool ?? "10.191",
      timeoutMs: options.timeoutMs ?? 60_000,
    };
    this.#imageConfigs = new ImageConfigs(this.#docker);
    this.turns = options.turns ?? new VolumeTurns();
    this.#looksAfterNetworks = options.networks === undefined;
    this.networks =
      options.networks ??
      new RunNetworks(this.#docker, {
        instance: options.instance,
        prefix: this.#options.prefix,
        pool: this.#options.networkPool,
        open: options.runnerNetwork,
        ...(options.warn && { warn: options.warn }),
      });
    const { forwarders } = options;
    this.forwarders =
      forwarders && "directory" in forwarders
        ? new Forwarders({
            ...{ docker: this.#docker, instance: options.instance, prefix: this.#options.prefix },
            directory: forwarders.directory,
            onNetwork: (user, work) => this.networks.ofUser(user, work),
          })
        : forwarders;
    this.session = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    this.#creator = new DockerCreator({
      docker: this.#docker,
      imageConfigs: this.#imageConfigs,
      nameOf: (run) => this.#name(run),
      instance: options.instance,
      session: this.session,
      limits: this.#options.limits,
      devices: this.#options.devices,
      open: options.runnerNetwork ?? {},
      ...(options.shape && { shape: options.shape }),
    });
    this.#boot = { id: this.session, at: Date.now() - os.uptime() * 1000 };
  }

  async prepare(): Promise<void> {
    // The engine has the image.
  }

  async start(spec: RunSpec): Promise<Started> {
    const volumes = spec.mounts.map(({ path }) => path);
    const starting = this.turns.inTurn(volumes, () =>
      this.networks.use(spec, (network) => this.#start(spec, network)),
    );
    await withinTime(starting, this.#options.timeoutMs);
    if (spec.network !== "open") return { node: spec.node };
    return { node: spec.node, ports: mappedPorts(await this.#container(spec.run).inspect()) };
  }

  async #start(spec: RunSpec, network: string | undefined, again = false): Promise<void> {
    try {
      await this.#creator.create(spec, network);
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) throw new ImageMissing(spec.imageId, { cause: error });
      if (isImagesFault(error)) throw this.#startFailure(error, spec);
      if (status !== 409) throw error;
      // It exists from an earlier try: what has started once is not started again.
      const state = await this.inspect(spec.run);
      if (state === undefined || !("waiting" in state)) {
        if (!state || !("terminated" in state) || state.terminated.reason !== "StartError") return;
      }
    }
    killPoint("pods.created");
    const volumes = await this.#imageConfigs.volumesOf(spec.imageId);
    const places = spec.mounts.map(({ at }) => at);
    await this.#mountPoints.check(spec.imageId, this.#container(spec.run), volumes, places);
    try {
      await this.#container(spec.run).start();
    } catch (error) {
      if (statusOf(error) === 304) return;
      if (!again && /network .*not found/i.test(String(error))) {
        await this.remove(spec.run);
        this.networks.forget(spec);
        return this.networks.use(spec, (made) => this.#start(spec, made, true));
      }
      if (isPayloadsFault(error)) throw this.#startFailure(error, spec);
      throw error;
    }
  }

  #startFailure(error: unknown, spec: RunSpec): StartFailure {
    const told = messageOf(error);
    if (/bind source path does not exist/.test(told)) return new StartFailure("the volume does not exist");
    const places = [spec.defaultWorkdir ?? "", ...spec.mounts.map(({ at }) => at)];
    const image = this.#imageConfigs.known(spec.imageId);
    const known = [...(spec.command ?? []), ...(spec.args ?? []), image, ...places];
    return new StartFailure(cleanStartError(told, known), { cause: error });
  }

  async adopt(): Promise<void> {
    // A container that runs has all that it was created with.
  }

  async stop(run: string, graceMs: number): Promise<void> {
    const container = await this.#own(run);
    if (!container) return;
    if (graceMs <= 0) {
      const killed = ignoring(container.kill({ signal: "SIGKILL" }), 404, 409);
      const ended = killed.then(() => ignoring(container.wait(), 404));
      await withinTime(ended, this.#options.timeoutMs);
      return;
    }
    const stopping = container.stop({ t: Math.ceil(graceMs / 1000) });
    // Should this fail, the payload has its grace and ends all the same.
    const telling = this.#tellAll(container).catch(() => undefined);
    const all = Promise.all([ignoring(stopping, 304, 404), telling]);
    await withinTime(all, graceMs + this.#options.timeoutMs);
  }

  /** The engine tells a container's first process only; a shell hands it on to nobody. */
  async #tellAll(container: Docker.Container): Promise<void> {
    const { Path, Args, State } = await container.inspect();
    if (!State.Running || !isStoppable([Path, ...Args])) return;
    const exec = await container.exec({ Cmd: tellAll([Path], { first: false }) });
    await exec.start({ Detach: true });
  }

  async remove(run: string): Promise<void> {
    const container = await this.#own(run);
    if (!container) return;
    const removed = async () => {
      const gone = await ignoring(container.remove({ force: true, v: true }), 404, 409);
      // 409: someone is at it already; it is gone when that is done.
      if (gone === 409) await ignoring(container.wait({ condition: "removed" }), 404);
    };
    await withinTime(removed(), this.#options.timeoutMs);
  }

  async inspect(run: string): Promise<ContainerState | undefined> {
    try {
      const container = await withinTime(this.#container(run).inspect(), this.#options.timeoutMs);
      if (container.Config.Labels?.[LABEL.instance] !== this.#options.instance) return undefined;
      const state = stateOf(container, this.#boot);
      if (!("terminated" in state) || state.terminated.reason !== "StartError") return state;
      const { Entrypoint, Cmd, WorkingDir } = container.Config;
      const places = container.Mounts.map(({ Destination }) => Destination);
      const known = [...[Entrypoint ?? []].flat(), ...(Cmd ?? []), WorkingDir, ...places];
      const message = cleanStartError(state.terminated.message ?? "", known);
      return terminated(NEVER_RAN, "StartError", null, null, message);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async addressOf(run: string): Promise<string | undefined> {
    try {
      const { NetworkSettings } = await withinTime(this.#container(run).inspect(), this.#options.timeoutMs);
      return Object.values(NetworkSettings.Networks).find(({ IPAddress }) => IPAddress)?.IPAddress;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async connect(user: string, address: string, port: number, signal: AbortSignal): Promise<Socket> {
    if (!this.forwarders) throw new Error("there is no way into the networks");
    return this.forwarders.connect(user, address, port, signal);
  }

  async list(): Promise<ListedRun[]> {
    const listing = this.#docker.listContainers({
      all: true,
      filters: { label: [`${LABEL.instance}=${this.#options.instance}`] },
    });
    return (await withinTime(listing, this.#options.timeoutMs)).flatMap((found) => {
      const run = this.#runOf(found);
      if (run === undefined || isRunnerId(run)) return [];
      return [{ run, ...listedOf(found) }];
    });
  }

  async listRunners({ sizes = false }: { sizes?: boolean } = {}): Promise<ListedRunner[]> {
    const listing = this.#docker.listContainers({
      all: true,
      size: sizes,
      filters: { label: [`${LABEL.instance}=${this.#options.instance}`, LABEL.runner] },
    });
    return ((await withinTime(listing, this.#options.timeoutMs)) as Sized[]).flatMap((found) => {
      const run = this.#runOf(found);
      if (run === undefined || !isRunnerId(run)) return [];
      return [{ run, ...listedOf(found), ...(sizes && { bytes: found.SizeRw ?? 0 }) }];
    });
  }

  async written(user: string): Promise<Written> {
    const listing = this.#docker.listContainers({
      all: true,
      size: true,
      filters: { label: [`${LABEL.instance}=${this.#options.instance}`, `${LABEL.user}=${user}`] },
    });
    const listed = (await withinTime(listing, this.#options.timeoutMs)) as Sized[];
    const found = listed.filter((container) => this.#runOf(container) !== undefined);
    const written = await writtenBeside(this.#docker, found);
    const bytes = found.reduce((sum, { SizeRw = 0 }) => sum + SizeRw, 0);
    return { ...written, bytes: written.bytes + bytes };
  }

  async usage(run: string): Promise<RunUsage | undefined> {
    const group = this.#cgroups.get(run) ?? (await this.#cgroupOf(run));
    const usage = group && usageOf(group);
    if (group && usage) this.#cgroups.set(run, group);
    else this.#cgroups.delete(run);
    return usage;
  }

  async #cgroupOf(run: string): Promise<Cgroup | undefined> {
    try {
      const { State } = await this.#container(run).inspect();
      return State.Pid > 0 ? cgroupOf(readFileSync(`/proc/${State.Pid}/cgroup`, "utf8")) : undefined;
    } catch (error) {
      if (statusOf(error) === 404 || isErrno(error, "ENOENT", "ESRCH")) return undefined;
      throw error;
    }
  }

  async *logs(
    run: string,
    options: { follow: boolean; since?: string; signal?: AbortSignal },
  ): AsyncGenerator<LogFrame> {
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    if (signal.aborted) return;
    let stream: Readable;
    try {
      stream = await this.#openLogs(run, options.follow, options.since);
    } catch (error) {
      if (statusOf(error) === 404) return;
      throw error;
    }
    const abort = () => stream.destroy();
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) stream.destroy();
    try {
      yield* framesOf(stream);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", abort);
      stream.destroy();
    }
  }

  async #openLogs(run: string, follow: boolean, since: string | undefined): Promise<Readable> {
    const options = {
      stdout: true,
      stderr: true,
      timestamps: true,
      ...(since && { since: Math.floor(Date.parse(since) / 1000) }),
    };
    const container = this.#container(run);
    const opened = follow
      ? await container.logs({ ...options, follow: true })
      : await openLogStream(this.#docker, container.id, options);
    return opened as Readable;
  }

  watch(hint: (run: string | undefined) => void): () => void {
    if (this.#looksAfterNetworks) void this.networks.settle();
    this.#creator.prepare();
    const { instance, containerPrefix: prefix } = this.#options;
    return watchEvents(this.#docker, { instance, prefix }, hint, this.#closing.signal);
  }

  async missing(): Promise<undefined> {
    await withinTime(this.#docker.ping(), PING_MS);
    return undefined;
  }

  async nodes(): Promise<NodeReport[]> {
    const alive = await this.missing().then(
      () => true,
      () => false,
    );
    return this.#options.nodes.map(({ name, kind, ready = true }) => ({
      name,
      kind,
      status: ready && alive ? "True" : "False",
    }));
  }

  async tidy(user: string): Promise<void> {
    if (!this.#looksAfterNetworks) return;
    const used = async () => {
      if ((await this.list()).some((run) => run.user === user)) return true;
      await this.forwarders?.remove(user);
      return false;
    };
    const tidied = async () => {
      // it holds the network, which would be left to nobody
      await this.forwarders?.settled(user);
      await this.networks.tidy(user, used);
    };
    await withinTime(tidied(), this.#options.timeoutMs);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#looksAfterNetworks) this.networks.close();
  }

  #name(run: string): string {
    return containerName(this.#options.containerPrefix, run);
  }

  /** The run of a container that is ours by its name; undefined for every other, whatever its labels say. */
  #runOf({ Names }: Docker.ContainerInfo): string | undefined {
    for (const name of Names) {
      const run = runOfName(this.#options.containerPrefix, name);
      if (run !== undefined) return run;
    }
    return undefined;
  }

  #container(run: string): Docker.Container {
    return this.#docker.getContainer(this.#name(run));
  }

  /** The run's container by its ID, if it is this agent's: nobody else's is stopped or removed, whatever its name. */
  async #own(run: string): Promise<Docker.Container | undefined> {
    try {
      const { Id, Config } = await withinTime(this.#container(run).inspect(), this.#options.timeoutMs);
      return Config.Labels?.[LABEL.instance] === this.#options.instance
        ? this.#docker.getContainer(Id)
        : undefined;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }
}
