import type { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { type ImageName, parseTagged } from "#protocol/image-reference.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { engineCall } from "../../engine/engine-call.ts";
import { HELPER_LABEL, removeHelpers } from "../../engine/helper-containers.ts";
import { writePair } from "../dockerfile/write.ts";
import { IMAGE_LABEL, IMAGE_USER_LABEL, reservedLabelOf } from "../image-labels.ts";
import { candidates, engineTag, publicName } from "../image-meanings.ts";
import { ImageRecord } from "../image-record.ts";
import {
  type BuildWork,
  type ImageDetails,
  type ImageStore,
  ImageWorkFailed,
  type LoadWork,
  type OwnImage,
  type ResolvedImage,
} from "../image-store.ts";
import { baseWithoutTriggers } from "./base-without-triggers.ts";
import { BuildGate } from "./build-gate.ts";
import { guardBuild } from "./build-guard.ts";
import { BuildParent, isBuildParent } from "./build-parent.ts";
import { BuildSteps } from "./build-steps.ts";
import { refusalOfBuilt } from "./built-image.ts";
import { detailsOf } from "./details-of.ts";
import { EngineImages } from "./engine-images.ts";
import { EngineSetup } from "./engine-setup.ts";
import { ImageSizes } from "./image-sizes.ts";
import { ownImages, usageOf } from "./image-usage.ts";
import { type BuildLimits, runBuild, runLoad, savedImage } from "./image-work.ts";
import { LabelledBases } from "./labelled-bases.ts";
import { isPrivateName, OwnMarks, temporaryPrefix } from "./own-names.ts";
import { PublicImages } from "./public-images.ts";
import { tryOut } from "./try-out.ts";

export type DockerImageStoreOptions = {
  docker: Docker;
  /** the agent's state: who owns what is kept here */
  database: DatabaseSync;
  /** unique per agent: label of what it builds; letters, digits, `.`, `_`, `-` */
  instance: string;
  /** the onboard registry's name in references, for example `registry:5000`; `localhost:5000` always is one */
  registry?: string;
  /**
   * the public images; default: what the engine held, unlabelled and unrecorded, at the first start, and none when
   * there are traces of an earlier life whose record is lost
   */
  publicImages?: readonly string[];
  /** commands that will come again: what they made stays at the start */
  unfinished?: Iterable<string>;
  /** same over all lives of this agent, and no other's on the engine (the volumes' path); default `instance` */
  home?: string;
  /** is there something of users on this machine, so that a new record is not a first start? default false */
  traces?: boolean;
  log?: Pick<Logger, "error">;
  /** bytes of memory of a build step; default 1 GiB */
  buildMemory?: number;
  /** CPUs of a build step; default 1 */
  buildCpus?: number;
  /** processes of a build step; default 512 */
  buildPids?: number;
};

export { IMAGE_LABEL } from "../image-labels.ts";

/** {@link ImageStore} on a Docker engine, 20.10 or later, over its HTTP API. */
export class DockerImageStore implements ImageStore {
  readonly registries: readonly string[];
  readonly #docker: Docker;
  readonly #record: ImageRecord;
  readonly #images: EngineImages;
  readonly #sizes: ImageSizes;
  readonly #options: DockerImageStoreOptions;
  readonly #temporary: string;
  /** numbers of the builds that run */
  readonly #slots = new Set<number>();
  /** cgroup parents of the engine's containers, as builds have seen them */
  readonly #parents = new Map<string, string | undefined>();
  #collecting: Promise<void> = Promise.resolve();
  #collectsSoon = false;
  readonly #setup: EngineSetup;
  readonly #gate = new BuildGate();
  readonly #labelled: LabelledBases;
  readonly #marks: OwnMarks;
  readonly #unfinished: ReadonlySet<string>;
  readonly #public: PublicImages;
  readonly #openedAt = Date.now();
  #started: Promise<void> | undefined;
  #platform: { os: string; architecture: string } | undefined;

  constructor(options: DockerImageStoreOptions) {
    if (!/^[A-Za-z0-9._-]{1,128}$/.test(options.instance)) throw new TypeError("instance: not a label value");
    this.#options = options;
    this.#docker = options.docker;
    this.#setup = new EngineSetup(options.docker);
    this.#record = new ImageRecord(options.database);
    this.registries = [...new Set([...(options.registry ? [options.registry] : []), "localhost:5000"])];
    this.#temporary = temporaryPrefix(options.instance);
    this.#images = new EngineImages({
      docker: this.#docker,
      record: this.#record,
      instance: options.instance,
      temporary: this.#temporary,
    });
    this.#sizes = new ImageSizes(this.#images);
    this.#labelled = new LabelledBases({ images: this.#images, prefix: `${this.#temporary}/labelled` });
    this.#marks = new OwnMarks(options.home ?? options.instance);
    this.#unfinished = new Set([...(options.unfinished ?? [])].map((id) => this.temporaryName(id)));
    this.#record.begin(options.traces ?? false);
    this.#public = new PublicImages({
      record: this.#record,
      marks: this.#marks,
      ...(options.publicImages && { configured: options.publicImages }),
      ...(options.log && { log: options.log }),
    });
  }

  async resolve(owner: string, reference: string): Promise<ResolvedImage | undefined> {
    await this.#ready();
    const published = this.#public.names();
    for (const candidate of candidates(owner, reference, this.registries)) {
      if ("own" in candidate) {
        const row = this.#record.get(owner, candidate.own);
        if (!row) continue;
        // the owner's own name never falls back to a public image
        const found = await this.#images.inspect(row.id);
        return found && { id: row.id, reference: engineTag(owner, candidate.own) };
      }
      if (!published.has(candidate.public)) continue;
      const found = await this.#images.inspect(candidate.public);
      if (found?.RepoTags?.includes(candidate.public)) return { id: found.Id, reference: candidate.public };
    }
    return undefined;
  }

  async list(owner: string): Promise<OwnImage[]> {
    await this.#ready();
    const rows = this.#record.list(owner);
    const [sized] = await this.#sizes.of(rows.map((row) => row.id));
    return ownImages(rows, sized);
  }

  async usage(user: string): Promise<number> {
    return (await this.holdings(user)).bytes;
  }

  async holdings(user: string): Promise<{ bytes: number; own: OwnImage[] }> {
    await this.#ready();
    const [sized, shared] = await this.#sizes.of(this.idsOf(user), this.#public.names());
    return { bytes: usageOf(sized, shared), own: ownImages(this.#record.list(user), sized) };
  }

  async usageWith(owner: string, image: ImageName, id: string): Promise<number> {
    await this.#ready();
    const [user = ""] = owner.split(".");
    const tag = engineTag(owner, image);
    const others = this.#record.listAll(user).filter((row) => engineTag(row.owner, row) !== tag);
    const ids = [...others.map((row) => row.id), id];
    const [sized, shared] = await this.#sizes.of(ids, this.#public.names());
    return usageOf(sized, shared);
  }

  refusal(owner: string, image: ImageName): string | undefined {
    const tag = engineTag(owner, image);
    if (isPrivateName(tag)) return `the name ${tag} is reserved`;
    return this.#public.names().has(tag) ? `the name ${tag} belongs to a public image` : undefined;
  }

  owns(owner: string, image: ImageName): boolean {
    return this.#record.get(owner, image) !== undefined;
  }

  /**
   * The repository by which a registry is to know an image: `<user>-<image>` for the user's own, a public image's
   * name without registry; undefined when it has no name that `user` could mean.
   */
  async repositoryOf(user: string, id: string): Promise<string | undefined> {
    await this.#ready();
    const own = this.#record.listAll(user).find((row) => row.id === id);
    if (own) return `${own.owner}-${own.name}`;
    const published = this.#public.names();
    const name = (await this.#images.inspect(id))?.RepoTags?.find((tag) => published.has(tag));
    return name && parseTagged(name)?.name;
  }

  /** IDs of the user's images, in whatever space. */
  idsOf(user: string): string[] {
    return [...new Set(this.#record.listAll(user).map((row) => row.id))];
  }

  async inspect(id: string): Promise<ImageDetails | undefined> {
    const found = await this.#images.inspect(id);
    return found && found.Id === id ? detailsOf(found) : undefined;
  }

  tryOut(imageId: string, argv: readonly string[]): Promise<string | undefined> {
    const labels = { [HELPER_LABEL]: this.#options.instance };
    return tryOut(this.#docker, { imageId, argv, labels });
  }

  async platform(): Promise<{ os: string; architecture: string }> {
    if (!this.#platform) {
      const version = await engineCall(() => this.#docker.version());
      this.#platform = { os: version.Os, architecture: version.Arch };
    }
    return this.#platform;
  }

  label(user: string): string {
    return Object.entries(this.#labels(user))
      .map(([key, value]) => writePair(key, value))
      .join(" ");
  }

  #labels(user: string): Record<string, string> {
    return { [IMAGE_LABEL]: this.#options.instance, [IMAGE_USER_LABEL]: user };
  }

  async withoutTriggers(user: string, id: string): Promise<string> {
    await this.#ready();
    const labels = this.#labels(user);
    return this.#inSlot(async (_, { cgroupParent }) =>
      engineCall(() => baseWithoutTriggers(this.#docker, { id, labels, cgroupParent })),
    );
  }

  building<T>(work: () => Promise<T>): Promise<T> {
    return this.#gate.build(work);
  }

  temporaryName(command: string): string {
    return `${this.#temporary}/${command.toLowerCase()}:latest`;
  }

  async build(work: BuildWork): Promise<string> {
    await this.#ready();
    const { buildMemory = 1024 ** 3, buildCpus = 1, buildPids = 512 } = this.#options;
    const name = this.temporaryName(work.command);
    await this.#inSlot(async (parent, { cgroupParent, rootDirectory }) => {
      const steps = new BuildSteps(this.#docker, (text) => parent.is(text), this.#parents);
      const guard = guardBuild({
        docker: this.#docker,
        steps,
        pids: buildPids,
        maxBytes: work.maxBytes,
        ...(work.measure && { measure: work.measure }),
      });
      const guarded = { ...work, signal: AbortSignal.any([work.signal, guard.signal]) };
      const limits = { memory: buildMemory, cpus: buildCpus, cgroupParent, rootDirectory };
      try {
        await runBuild(this.#docker, guarded, { ...limits, name });
        await this.#keepLabelled(guarded, limits);
      } finally {
        guard.close();
        await steps.remove();
      }
    });
    killPoint("images.built");
    const built = detailsOf(await this.#named(name));
    const refusal = refusalOfBuilt(built, this.#labels(work.user));
    if (refusal === undefined) return built.id;
    work.onLine(refusal);
    throw new ImageWorkFailed(refusal);
  }

  /** What of a build's bases the next one finds in the cache. The image is made: what fails here is done with the next. */
  async #keepLabelled(work: BuildWork, limits: Omit<BuildLimits, "name">): Promise<void> {
    const label = this.label(work.user);
    try {
      for (const base of work.bases ?? []) {
        // one of a user's is to go when that user removes it
        if (this.#record.hasId(base)) continue;
        await this.#labelled.keep(base, label, (context, dockerfile, name) =>
          runBuild(
            this.#docker,
            { ...work, context, dockerfile, noCache: false, onLine: () => undefined },
            { ...limits, name },
          ),
        );
      }
    } catch {
      work.signal.throwIfAborted();
    }
  }

  /** Runs `work` with a cgroup parent that no other build has meanwhile. */
  async #inSlot<T>(
    work: (
      parent: BuildParent,
      where: { cgroupParent: string; rootDirectory: string | undefined },
    ) => Promise<T>,
  ): Promise<T> {
    let slot = 0;
    while (this.#slots.has(slot)) slot++;
    this.#slots.add(slot);
    const parent = new BuildParent(this.#options.instance, slot);
    try {
      const { cgroupDriver, rootDirectory } = await this.#setup.get();
      return await work(parent, { cgroupParent: parent.text(cgroupDriver), rootDirectory });
    } catch (error) {
      // a parent that is written for another driver fails each step
      this.#setup.doubt();
      throw error;
    } finally {
      parent.clear();
      this.#slots.delete(slot);
    }
  }

  async load(work: LoadWork): Promise<string> {
    await this.#ready();
    const name = this.temporaryName(work.command);
    const onLine = (line: string) => work.onLine(line.replaceAll(name, "the image"));
    await runLoad(this.#docker, { ...work, onLine });
    killPoint("images.loaded");
    return (await this.#named(name)).Id;
  }

  save(id: string, signal: AbortSignal): Readable {
    return Readable.from(savedImage(this.#docker, id, signal), { objectMode: false });
  }

  async commit(owner: string, image: ImageName, id: string, command: string): Promise<void> {
    this.#record.put(owner, image, id, Date.now());
    killPoint("images.recorded");
    const labels = (await this.#images.inspect(id))?.Config?.Labels ?? {};
    const tag = engineTag(owner, image);
    await this.#mark(id, tag, labels);
    await this.#images.tag(id, tag);
    killPoint("images.tagged");
    await this.discard(command);
  }

  holdParts(): Disposable {
    return this.#images.holdParts();
  }

  async discard(command: string): Promise<void> {
    await this.#images.untag(this.temporaryName(command));
    this.#collectSoon();
  }

  settled(): Promise<void> {
    return this.#collecting;
  }

  async remove(owner: string, image: ImageName): Promise<void> {
    await this.#ready();
    this.#record.remove(owner, image);
    killPoint("images.forgotten");
    const tag = engineTag(owner, image);
    if (!this.#public.names().has(tag)) await this.#images.untag(tag);
    await this.#images.untag(this.#marks.of(tag));
    killPoint("images.untagged");
    await this.#collect();
  }

  async publish(reference: string): Promise<void> {
    await this.#ready();
    const name = publicName(reference);
    const found = name === undefined ? undefined : await this.#images.inspect(name);
    if (name === undefined || !found?.RepoTags?.includes(name) || isPrivateName(name)) {
      throw new PerigeeError("IMAGE_NOT_FOUND", `The engine has no image ${reference}`);
    }
    if (this.#record.all().some((row) => engineTag(row.owner, row) === name)) {
      throw new PerigeeError("ALREADY_EXISTS", `${name} is a user's image: give it another name first`);
    }
    const label = reservedLabelOf(found.Config?.Labels);
    if (label !== undefined) {
      throw new PerigeeError(
        "INVALID_PARAMETERS",
        `${name} has the label ${label.slice(0, 200)}, which is reserved: no pod could run it`,
      );
    }
    this.#record.publish(name);
  }

  start(): Promise<void> {
    this.#started ??= this.#begin().catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  #ready(): Promise<void> {
    return this.start();
  }

  async #begin(): Promise<void> {
    const images = await engineCall(() => this.#docker.listImages());
    this.#public.begin(images);
    const tags = new Map(images.flatMap((image) => (image.RepoTags ?? []).map((tag) => [tag, image.Id])));
    const labels = new Map(images.map((image) => [image.Id, image.Labels ?? {}]));
    const published = this.#public.names();
    for (const row of this.#record.all()) {
      const tag = engineTag(row.owner, row);
      await this.#mark(row.id, tag, labels.get(row.id) ?? {}, tags);
      // recorded and not tagged yet, or tagged over by someone: the record has it
      if (tags.get(tag) !== row.id && !published.has(tag)) await this.#images.tag(row.id, tag);
    }
    await removeHelpers(this.#docker, this.#options.instance, this.#openedAt);
    await new BuildSteps(this.#docker, (parent) => isBuildParent(this.#options.instance, parent)).remove();
    for (const [tag, id] of tags) {
      if (!this.#isTemporary(tag) || this.#unfinished.has(tag)) continue;
      // a container may hold it still: it goes with the others that were let go
      if (tag === this.#images.keptName(id)) this.#record.release(id);
      else await this.#images.untag(tag);
    }
    await this.#collect();
  }

  /** What was loaded carries no label of ours: a mark says that its name is a user's, should this record be lost. */
  async #mark(
    id: string,
    tag: string,
    labels: Record<string, string>,
    tags?: ReadonlyMap<string, string>,
  ): Promise<void> {
    const mark = this.#marks.of(tag);
    if (labels[IMAGE_LABEL] === undefined) {
      if (tags?.get(mark) !== id) await this.#images.tag(id, mark);
    } else if (!tags || tags.has(mark)) await this.#images.untag(mark);
  }

  #collect(): Promise<void> {
    return this.#gate.clean(async () => {
      await this.#labelled.tidy();
      await this.#images.collect();
    });
  }

  /** What fails is done the next time, or at the agent's start. */
  #collectSoon(): void {
    // the one that has not begun yet finds this too
    if (this.#collectsSoon) return;
    this.#collectsSoon = true;
    this.#collecting = this.#collecting
      .then(() => {
        this.#collectsSoon = false;
        return this.#collect();
      })
      .catch((error: unknown) => {
        this.#options.log?.error({ err: error }, "images: what is not cleaned away now is the next time");
      });
  }

  #isTemporary(tag: string): boolean {
    return tag.startsWith(`${this.#temporary}/`);
  }

  async #named(name: string): Promise<Docker.ImageInspectInfo> {
    const found = await this.#images.inspect(name);
    if (!found) throw new Error(`the engine made no image ${name}`);
    return found;
  }
}
