import type Docker from "dockerode";
import { containerOf, type NodeDevices, type PodLimits } from "./docker-container.ts";
import { type DataVolume, dataMounts, dataVolumes, linksIn } from "./docker-data-volumes.ts";
import type { DockerWorkdirs } from "./docker-workdirs.ts";
import { scratchVolumes } from "./image-volumes.ts";
import { type RunSpec, StartFailure } from "./pod-runtime.ts";
import { seccompProfile } from "./seccomp-profile.ts";

/** What an image may declare: each VOLUME costs the engine a directory of its own. */
const MOST_VOLUMES = 64;
const MOST_KNOWN = 1_000;

export type CreatorOptions = {
  docker: Docker;
  workdirs: DockerWorkdirs;
  nameOf(run: string): string;
  instance: string;
  session: string;
  limits: PodLimits;
  devices: NodeDevices;
};

/** Makes the containers of runs, with what of the user's volume belongs where the image declares VOLUMEs. */
export class DockerCreator {
  readonly #options: CreatorOptions;
  /** by image ID */
  readonly #dataVolumes = new Map<string, DataVolume[]>();
  #seccomp: Promise<string | undefined> | undefined;

  constructor(options: CreatorOptions) {
    this.#options = options;
  }

  /** @throws StartFailure, ImageMissing; what the engine says: 409 when the container exists */
  async create(spec: RunSpec, network: string): Promise<void> {
    const declared = await this.#options.workdirs.volumesOf(spec.imageId);
    if (declared.length > MOST_VOLUMES) {
      throw new StartFailure(`the image declares more than ${MOST_VOLUMES} VOLUMEs`);
    }
    const volumes =
      this.#dataVolumes.get(spec.imageId) ?? (await dataVolumes(declared, async () => undefined));
    await this.#createWith(spec, network, volumes);
    await this.#complete(spec, network, volumes);
  }

  /** Does what a creation that was cut short has left undone for a container that has never been started. */
  async complete(spec: RunSpec, network: string): Promise<void> {
    const { Mounts } = await this.#container(spec.run).inspect();
    const binds = Mounts.filter(({ Type }) => Type === "bind");
    await this.#complete(
      spec,
      network,
      binds.map(({ Destination }) => ({ target: Destination })),
    );
  }

  async #createWith(spec: RunSpec, network: string, volumes: readonly DataVolume[]): Promise<void> {
    const { docker, workdirs, nameOf, ...context } = this.#options;
    await docker.createContainer(
      containerOf(spec, {
        ...context,
        name: nameOf(spec.run),
        network,
        workdir: await workdirs.of(spec.imageId),
        ...(await workdirs.commandOf(spec.imageId)),
        mounts: dataMounts(spec.volumePath, volumes),
        seccomp: await this.#seccompProfile(),
      }),
    );
  }

  /** Where the links of an image lead is only seen in a container of it: one that lacks a mount is made again. */
  async #complete(spec: RunSpec, network: string, mounted: readonly { target: string }[]): Promise<void> {
    const { imageId, run } = spec;
    const volumes = this.#dataVolumes.get(imageId) ?? (await this.#look(imageId, this.#container(run)));
    if (volumes.every(({ target }) => mounted.some((mount) => mount.target === target))) return;
    await this.#container(run).remove({ force: true, v: true });
    await this.#createWith(spec, network, volumes);
  }

  async #look(imageId: string, container: Docker.Container): Promise<DataVolume[]> {
    const declared = await this.#options.workdirs.volumesOf(imageId);
    const links = scratchVolumes(declared).length > 0 ? linksIn(container) : async () => undefined;
    const volumes = await dataVolumes(declared, links);
    if (this.#dataVolumes.size >= MOST_KNOWN) this.#dataVolumes.clear();
    this.#dataVolumes.set(imageId, volumes);
    return volumes;
  }

  /** Asked of the engine once. */
  #seccompProfile(): Promise<string | undefined> {
    this.#seccomp ??= this.#options.docker.info().then(seccompProfile);
    this.#seccomp.catch(() => {
      this.#seccomp = undefined;
    });
    return this.#seccomp;
  }

  #container(run: string): Docker.Container {
    return this.#options.docker.getContainer(this.#options.nameOf(run));
  }
}
