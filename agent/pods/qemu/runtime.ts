import { mkdirSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import type Docker from "dockerode";
import { MiB } from "#protocol/limits.ts";
import type { MachineKind, MachinesRun } from "#protocol/machines.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { NodeReport } from "#protocol/wire.ts";
import { statusOf } from "../../engine/engine-call.ts";
import { argvOf } from "../argv-of-run.ts";
import { terminated } from "../container-state.ts";
import { containerName } from "../docker/names.ts";
import { DockerRuntime, type DockerRuntimeOptions } from "../docker/runtime.ts";
import { ImageConfigs } from "../image-configs.ts";
import {
  type ListedRun,
  type LogFrame,
  type PodRuntime,
  type RunSpec,
  type RunUsage,
  type Started,
  StartFailure,
  type Written,
} from "../pod-runtime.ts";
import { commandLine } from "./command-line.ts";
import type { KnownVmImages } from "./images/known-vm-images.ts";
import type { VmImages } from "./images/vm-images.ts";
import type { Kvm } from "./kvm/kvm.ts";
import { KVM } from "./kvm/kvm-access.ts";
import { machineContainer, PROCESSES } from "./machine-container.ts";
import { EMULATOR_BYTES, machineOf, mayUseKvm, type VmSettings } from "./machine-of-run.ts";
import { OWN } from "./own.ts";
import { StartFiles } from "./start-files.ts";
import { VmImageFiles, type VmImageFilesOptions } from "./vm-image-files.ts";

/** A guest that was told to end may need its whole grace, and then unmounts. */
const UNMOUNT_MS = 5_000;
/** The first process of the container ends with this, and says so where no guest writes, when the guest told no code. */
const NO_CODE = { status: 255, line: "the machine ended without an exit code" };

export type QemuRuntimeOptions = Pick<
  DockerRuntimeOptions,
  "instance" | "prefix" | "nodes" | "limits" | "timeoutMs" | "forwarders"
> &
  Pick<VmImageFilesOptions, "freeFloorBytes"> &
  Pick<VmSettings, "arch"> & {
    docker: Docker;
    /** the networks of the user's containers, which their runtime looks after */
    networks: NonNullable<DockerRuntimeOptions["networks"]>;
    /** and their turns on volumes */
    turns: NonNullable<DockerRuntimeOptions["turns"]>;
    /** the images that machines run in, and are made with: without them none starts, and all else works */
    images: Pick<KnownVmImages, "get" | "look">;
    /** the host's own virtualisation; default: all machines are emulated */
    kvm?: Pick<Kvm, "of" | "sweep" | "access" | "works">;
    /** directory for the files of images and runs, written by this runtime alone */
    directory: string;
  };

const NO_IMAGES = "the images for virtual machines are not there: the operator makes them (edge vm-images)";

/** Pods as virtual machines: each is one emulator in a container, which the runtime of containers runs. */
export class QemuRuntime implements PodRuntime {
  readonly provider = "qemu";
  readonly #containers: DockerRuntime;
  readonly #options: QemuRuntimeOptions;
  readonly #name: (run: string) => string;
  readonly #configs: ImageConfigs;
  readonly #images: VmImageFiles;
  readonly #starts: StartFiles;

  constructor(options: QemuRuntimeOptions) {
    const { docker, instance, kvm, directory, freeFloorBytes, prefix = "perigee" } = options;
    this.#options = options;
    const containerPrefix = `${prefix}-vm`;
    this.#name = (run) => containerName(containerPrefix, run);
    this.#configs = new ImageConfigs(docker);
    this.#containers = new DockerRuntime({
      ...options,
      containerPrefix,
      shape: (container) => machineContainer(container, kvm?.access),
    });
    this.#images = new VmImageFiles({
      ...{ docker, instance, root: join(directory, "images") },
      ...(freeFloorBytes !== undefined && { freeFloorBytes }),
    });
    this.#starts = new StartFiles(join(directory, "runs"));
  }

  get session(): string {
    return this.#containers.session;
  }

  async prepare({ imageId }: { user: string; imageId: string }): Promise<void> {
    await this.#images.of(imageId, (await this.#needed()).build);
  }

  /** @throws StartFailure without the images for machines */
  async #needed(): Promise<VmImages> {
    const { images, directory } = this.#options;
    const found = await images.get();
    if (!found) throw new StartFailure(NO_IMAGES);
    mkdirSync(directory, { recursive: true, mode: 0o711 });
    return found;
  }

  async start(spec: RunSpec): Promise<Started> {
    const vm = await this.#needed();
    const image = await this.#images.of(spec.imageId, vm.build);
    const { arch = process.arch, kvm } = this.#options;
    const access = mayUseKvm(image.kind, arch) ? await kvm?.of(vm.run) : undefined;
    const workdir = await this.#configs.of(spec.imageId);
    const found = machineOf(spec, {
      image,
      argv: argvOf(spec, await this.#configs.commandOf(spec.imageId)),
      workdir: workdir || spec.defaultWorkdir || "/",
      envs: { ...(await this.#configs.environmentOf(spec.imageId)), ...spec.envs },
      settings: { arch, kvm: access !== undefined, mostBytes: this.#options.limits?.memory },
    });
    const directory = await this.#starts.write(spec.run, found.start);
    return this.#containers.start(this.#containerOf(spec, found, { directory, image: vm.run }));
  }

  #containerOf(
    spec: RunSpec,
    found: ReturnType<typeof machineOf>,
    { directory, image }: { directory: string; image: string },
  ): RunSpec {
    const { machine, mounts } = found;
    const { args: _, defaultWorkdir: __, ...rest } = spec;
    return {
      ...rest,
      imageId: image,
      command: [`/${OWN}/warden`, machine.kind === "linux" ? "line" : "off", ...commandLine(machine)],
      envs: {},
      mounts: [
        ...mounts,
        { volume: "start", path: directory, subPath: "start", at: found.startAt, readOnly: true },
      ],
      network: machine.kind === "linux" ? spec.network : "none",
      limits: { ...spec.limits, memoryBytes: machine.memoryMb * MiB + EMULATOR_BYTES, pids: PROCESSES },
      devices: machine.kvm ? [KVM] : [],
    };
  }

  adopt(spec: RunSpec): Promise<void> {
    void spec;
    return this.#containers.adopt();
  }

  stop(run: string, graceMs: number): Promise<void> {
    return this.#containers.stop(run, graceMs > 0 ? graceMs + UNMOUNT_MS : graceMs);
  }

  async remove(run: string): Promise<void> {
    await this.#containers.remove(run);
    await this.#starts.remove(run);
  }

  async inspect(run: string): Promise<ContainerState | undefined> {
    const state = await this.#containers.inspect(run);
    if (!state || !("terminated" in state)) return state;
    const { exitCode, reason, startedAt, finishedAt } = state.terminated;
    if (exitCode !== NO_CODE.status || reason !== "Error" || !(await this.#endedWithoutCode(run)))
      return state;
    return terminated(exitCode, "VMFailed", startedAt, finishedAt, NO_CODE.line);
  }

  async #endedWithoutCode(run: string): Promise<boolean> {
    try {
      const container = this.#options.docker.getContainer(this.#name(run));
      // No tail: the engine counts the lines of the console too, and their order is not that of the streams.
      const told = await container.logs({ stdout: false, stderr: true });
      return told.toString("utf8").includes(NO_CODE.line);
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw error;
    }
  }

  addressOf(run: string): Promise<string | undefined> {
    return this.#containers.addressOf(run);
  }

  connect(user: string, address: string, port: number, signal: AbortSignal): Promise<Socket> {
    return this.#containers.connect(user, address, port, signal);
  }

  list(): Promise<ListedRun[]> {
    return this.#containers.list();
  }

  logs(
    run: string,
    options: { follow: boolean; since?: string; signal?: AbortSignal },
  ): AsyncIterable<LogFrame> {
    return this.#containers.logs(run, options);
  }

  watch(hint: (run: string | undefined) => void): () => void {
    void this.#sweep().catch(() => undefined);
    void this.#tryKvm().catch(() => undefined);
    return this.#containers.watch(hint);
  }

  /** Before the first machine starts, so that it need not wait for it. */
  async #tryKvm(): Promise<void> {
    const { kvm, images } = this.#options;
    await kvm?.sweep();
    const found = await images.get();
    if (found) await kvm?.of(found.run);
  }

  /** What an agent before left of runs and images that are gone. */
  async #sweep(): Promise<void> {
    await this.#starts.sweep(async () => new Set((await this.list()).map(({ run }) => run)));
    await this.#images.sweep();
  }

  async missing(): Promise<string | undefined> {
    const { images, kvm } = this.#options;
    const found = await images.look();
    if (!found) return NO_IMAGES;
    void kvm?.of(found.run);
    return undefined;
  }

  machines(kind: MachineKind): MachinesRun | undefined {
    const { arch = process.arch, kvm } = this.#options;
    if (!kvm || !mayUseKvm(kind, arch) || kvm.works === false) return "emulated";
    return kvm.works ? "host" : undefined;
  }

  nodes(): Promise<NodeReport[]> {
    return this.#containers.nodes();
  }

  async written(user: string): Promise<Written> {
    // The engine takes long to tell sizes, and of the user's other containers they are told already.
    const has = (await this.list()).some((run) => run.user === user);
    return has ? this.#containers.written(user) : { bytes: 0, directories: [] };
  }

  usage(run: string): Promise<RunUsage | undefined> {
    return this.#containers.usage(run);
  }

  imagesChanged(): void {
    void this.#images.sweep().catch(() => undefined);
  }

  tidy(user: string): Promise<void> {
    return this.#containers.tidy(user);
  }

  close(): Promise<void> {
    return this.#containers.close();
  }
}
