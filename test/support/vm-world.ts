import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import { ulid } from "ulid";
import { compileImage } from "#agent/compilers/compile-image.ts";
import { HELPER_LABEL } from "#agent/engine/helper-containers.ts";
import type { DockerRuntime } from "#agent/pods/docker/runtime.ts";
import type { RunSpec } from "#agent/pods/pod-runtime.ts";
import { KnownVmImages } from "#agent/pods/qemu/images/known-vm-images.ts";
import type { VmImages } from "#agent/pods/qemu/images/vm-images.ts";
import { QemuRuntime, type QemuRuntimeOptions } from "#agent/pods/qemu/runtime.ts";
import type { ImageCompile } from "#protocol/image-compile.ts";
import type { ContainerState } from "#protocol/operations.ts";
import { ensureVmImages } from "../../scripts/ensure-vm-images.ts";
import { ImageWorld } from "./image-world.ts";
import { PodRig } from "./pod-rig.ts";
import { tarOf } from "./tar-of.ts";

/** Whoever is the first on a machine waits for the images that machines need to be made. */
export const IMAGES_MS = 20 * 60_000;

/** Virtual machines, the images that they start from, and their removal. */
export class VmWorld {
  readonly rig: PodRig;
  readonly images = new ImageWorld();
  readonly runtime: QemuRuntime;
  /** containers beside the machines, on the same networks */
  readonly pods: DockerRuntime;
  /** IDs of the images for machines */
  readonly vm: VmImages;
  /** of the machines' files */
  readonly directory = mkdtempSync(join(tmpdir(), "perigee-vms-"));

  private constructor(rig: PodRig, vm: VmImages) {
    this.rig = rig;
    this.vm = vm;
    this.pods = rig.runtime();
    this.runtime = this.open(new KnownVmImages(rig.docker));
  }

  /** Another agent's runtime of the same machines. @param images those for machines, as it knows them */
  open(images: QemuRuntimeOptions["images"], over: Partial<QemuRuntimeOptions> = {}): QemuRuntime {
    const { docker, instance } = this.rig;
    return new QemuRuntime({
      ...{ docker, instance, prefix: instance, images, directory: this.directory },
      nodes: [{ name: "mpu1", kind: "MPU" }],
      networks: this.pods.networks,
      turns: this.pods.turns,
      ...over,
    });
  }

  static async create(): Promise<VmWorld> {
    const rig = await PodRig.create();
    const world = new VmWorld(rig, await ensureVmImages(rig.docker, () => {}));
    await world.images.setUp();
    world.images.room = 2 ** 40;
    return world;
  }

  /** Compiles sources; the ID of the image. */
  async compile(
    files: Record<string, string>,
    over: Partial<ImageCompile> & Pick<ImageCompile, "base" | "language">,
  ): Promise<string> {
    const { images } = this;
    const staged = images.path("staged");
    rmSync(staged, { recursive: true, force: true });
    mkdirSync(staged, { recursive: true });
    const packed = tarOf(Object.entries(files).map(([name, content]) => ({ name, content, mode: 0o644 })));
    const chunks: Buffer[] = [];
    for await (const chunk of packed) chunks.push(chunk);
    writeFileSync(join(staged, "sources.tar"), Buffer.concat(chunks));
    const image = `i${ulid().toLowerCase()}`;
    const input = { provider: "qemu", space: "unik", mountPoints: [], args: "", image, ...over };
    const handler = compileImage(images.store, {
      ...images.deps,
      toolchains: { vm: this.vm.build, c: this.vm.build },
      hasProvider: (provider) => provider === this.runtime.provider,
    });
    await images.run("image.compile", images.alice, input, {
      handlers: { ...images.handlers, "image.compile": handler },
    });
    const made = await images.store.resolve(`${images.alice}.unik`, image);
    if (!made) throw new Error("the image was not made");
    return made.id;
  }

  /** A run of an image, without command and volumes. */
  spec(imageId: string, over: Partial<RunSpec> = {}): RunSpec {
    const { command: _, ...spec } = this.rig.spec([], { imageId, pod: `p-${ulid().toLowerCase()}`, ...over });
    return { ...spec, ...(over.command && { command: over.command }) };
  }

  /** What a run has said when it has ended. */
  async said(run: string): Promise<string[]> {
    await this.end(run);
    const lines: string[] = [];
    for await (const { text } of this.runtime.logs(run, { follow: false })) lines.push(`${text}`);
    return lines;
  }

  /** Resolves when a run has said a line. */
  async until(run: string, line: string): Promise<void> {
    for await (const { text } of this.runtime.logs(run, { follow: true })) if (`${text}` === line) return;
    throw new Error(`the run ended without "${line}"`);
  }

  /** The end of a run, when it has ended. */
  async end(run: string): Promise<ContainerState | undefined> {
    for (;;) {
      const state = await this.runtime.inspect(run);
      if (!state || !("running" in state)) return state;
      for await (const _ of this.runtime.logs(run, { follow: true }));
    }
  }

  /** Runs a command with the tools of machines; `volume` is at `/volume`. */
  async inTools(command: string, volume: string): Promise<void> {
    const container = await this.rig.docker.createContainer({
      Image: this.vm.build,
      Entrypoint: ["/bin/sh", "-c", command],
      HostConfig: { NetworkMode: "none", Binds: [`${volume}:/volume`] },
    });
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    await container.remove();
    if (StatusCode !== 0) throw new Error(`${command} ended with ${StatusCode}`);
  }

  /** Containers that make files of images and volumes. */
  helpers(): Promise<Docker.ContainerInfo[]> {
    const label = [`${HELPER_LABEL}=${this.rig.instance}`];
    return this.rig.docker.listContainers({ all: true, filters: { label } });
  }

  async tearDown(): Promise<void> {
    await this.runtime.close();
    await this.rig.cleanUp();
    await this.images.tearDown();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
