import type Docker from "dockerode";
import { LIMITS } from "#protocol/limits.ts";
import type { ImageConfigs } from "../image-configs.ts";
import type { OpenNetwork } from "../open-network.ts";
import type { PodLimits } from "../pod-limits.ts";
import { type RunSpec, StartFailure } from "../pod-runtime.ts";
import { bindVolume, partOfMount } from "./bind-volume.ts";
import { containerOf, type NodeDevices } from "./container.ts";
import { dataVolumes } from "./data-volumes.ts";
import { seccompProfile } from "./seccomp-profile.ts";
import { refuseUsedVolume } from "./volume-use.ts";

export type CreatorOptions = {
  docker: Docker;
  imageConfigs: ImageConfigs;
  nameOf(run: string): string;
  instance: string;
  session: string;
  limits: PodLimits;
  devices: NodeDevices;
  open: OpenNetwork;
  shape?(container: Docker.ContainerCreateOptions): Docker.ContainerCreateOptions;
};

/** Makes the containers of runs, with what of the user's volumes belongs where the image declares VOLUMEs. */
export class DockerCreator {
  readonly #options: CreatorOptions;
  #seccomp: Promise<string | undefined> | undefined;

  constructor(options: CreatorOptions) {
    this.#options = options;
  }

  /**
   * Nothing else may start on its volumes until the container has.
   * @throws StartFailure, ImageMissing; what the engine says: 409 when the container exists
   */
  async create(spec: RunSpec, network: string | undefined): Promise<void> {
    const declared = await this.#options.imageConfigs.volumesOf(spec.imageId);
    if (declared.length > LIMITS.imageVolumes) {
      throw new StartFailure(`the image declares more than ${LIMITS.imageVolumes} VOLUMEs`);
    }
    const { docker, imageConfigs, nameOf, shape = (container) => container, ...context } = this.#options;
    const parts = [...spec.mounts.map(partOfMount), ...dataVolumes(declared, spec.mounts)];
    await refuseUsedVolume(docker, parts, nameOf(spec.run));
    const container = containerOf(spec, {
      ...context,
      name: nameOf(spec.run),
      network,
      workdir: await imageConfigs.of(spec.imageId),
      ...(await imageConfigs.commandOf(spec.imageId)),
      mounts: parts.map(bindVolume),
      seccomp: await this.#seccompProfile(),
    });
    await docker.createContainer(shape(container));
  }

  /** Asks the engine beforehand what a creation would have to wait for. */
  prepare(): void {
    void this.#seccompProfile().catch(() => undefined);
  }

  /** Asked of the engine once. */
  #seccompProfile(): Promise<string | undefined> {
    this.#seccomp ??= this.#options.docker.info().then(seccompProfile);
    this.#seccomp.catch(() => {
      this.#seccomp = undefined;
    });
    return this.#seccomp;
  }
}
