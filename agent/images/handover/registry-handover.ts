import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type Docker from "dockerode";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { engineCall, engineTry } from "../../engine/engine-call.ts";
import { ImageMissing } from "../../pods/pod-runtime.ts";
import { CollectionCut } from "./collect-command.ts";
import { type HandedImage, HandedImages } from "./handed-images.ts";
import type { ImageHandover, NeededImage } from "./image-handover.ts";
import { LAST_LAYER } from "./last-layer.ts";
import { pushImage, untag } from "./push-image.ts";
import { RegistryClient, type StoredImage, type StoredManifest, unavailable } from "./registry-client.ts";
import { bytesOf, garbageOf, toMakeRoom } from "./retention.ts";
import { SEAL, sealedImage } from "./sealed-image.ts";

/** Characters of a registry and a repository together: the engine and the nodes take no more. */
const MOST_NAME = 255;

export type RegistryHandoverOptions = {
  docker: Docker;
  /** the agent's state; the handover makes its own table in it */
  database: DatabaseSync;
  /** unique per agent; begins the tags it makes */
  instance: string;
  /** where nodes pull: `host:port` */
  pull: string;
  /** where the engine pushes: `host:port`; only this agent writes there */
  push: string;
  /** `user:password` for `push` */
  password?: string;
  /** bytes that the registry may hold */
  maxBytes: number;
  /** bytes that may still be written where the registry stores; default: no floor */
  room?(): number;
  /**
   * Gives back the bytes of deleted images; nothing is pushed meanwhile. Without it somebody else must.
   * Rejects when it failed, with CollectionCut when it may still go on.
   */
  collect?(signal: AbortSignal): Promise<void>;
  /** The repository that tells whose image it is: `<user>-<image>`, or a public name; undefined: it has no name any more. */
  repositoryOf(image: NeededImage): Promise<string | undefined>;
  /** Does a run that has not started yet need this image? Then it is never dropped. */
  isInUse(image: NeededImage): boolean;
  onError?(error: unknown, about: { doing: string }): void;
  /** ms that one push may take; default 20 min */
  pushMs?: number;
  /** ms that one collection may take; default 10 min */
  collectMs?: number;
  /** bytes of garbage at which it is collected; default a tenth of `maxBytes` */
  collectAt?: number;
  now?(): number;
};

/**
 * {@link ImageHandover} through a registry onboard. The engine has every image, so the registry is a bounded
 * cache of what pods need: what no run uses may go from it at any time, and comes again when it is needed. All
 * that writes takes turns, so that a collection never meets a push.
 */
export class RegistryHandover implements ImageHandover {
  readonly #options: RegistryHandoverOptions;
  readonly #registry: RegistryClient;
  readonly #images: HandedImages;
  readonly #pushing = new Map<string, Promise<string>>();
  readonly #closed = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RegistryHandoverOptions) {
    this.#options = options;
    this.#registry = new RegistryClient(options.push, options.password);
    this.#images = new HandedImages(options.database);
  }

  async reference(image: NeededImage, doubted = false): Promise<string> {
    this.#closed.signal.throwIfAborted();
    const known = this.#images.get(image);
    if (known?.state === "held" && known.seal === SEAL && (await this.#isThere(known, doubted))) {
      // it may have been dropped while the registry was asked
      if (this.#images.get(image)?.state === "held") {
        this.#images.used(image, this.#now());
        return this.#nameOf(known.repository, known.digest!);
      }
    }
    const key = keyOf(image);
    const running = this.#pushing.get(key);
    if (running) return running;
    const pushing = this.#inTurn(() => this.#push(image)).finally(() => this.#pushing.delete(key));
    this.#pushing.set(key, pushing);
    return pushing;
  }

  async #isThere({ repository, digest, blobs }: HandedImage, wholly: boolean): Promise<boolean> {
    if (!wholly) return this.#registry.has(repository, digest!);
    return this.#registry.isWhole(repository, { digest: digest!, blobs });
  }

  /** Clears what a run before left half done. To be repeated when it throws. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      const prefix = `${this.#options.push}/`;
      for (const { RepoTags } of await engineCall(() => this.#options.docker.listImages())) {
        for (const name of RepoTags ?? []) {
          const colon = name.lastIndexOf(":");
          const [repo, tag] = [name.slice(0, colon), name.slice(colon + 1)];
          if (repo.startsWith(prefix) && tag.startsWith(this.#tagPrefix()))
            await untag(this.#options.docker, { repo, tag });
        }
      }
      for (const image of this.#images.all()) {
        if (image.state !== "pushing") continue;
        const found = await this.#registry.manifest(image.repository, image.tag);
        if (found && (await this.#isSealed(image, found))) this.#images.hold(image, found);
        else {
          if (found) await this.#registry.remove(image.repository, found.digest);
          this.#images.markDeleted(image);
        }
      }
    });
  }

  /**
   * After something changed: hands over what has a name now, so that the first run need not wait for it, and
   * drops what has none any more. Whatever fails is tried again the next time.
   */
  async keepUp(images: readonly NeededImage[]): Promise<void> {
    for (const image of images) {
      await this.reference(image).catch((error) => this.#tell(error, "push"));
    }
    await this.#inTurn(() => this.#sweep()).catch((error) => this.#tell(error, "sweep"));
  }

  /** Breaks off what is under way. */
  async close(): Promise<void> {
    this.#closed.abort(new Error("the agent is closing"));
    await this.#turn;
  }

  async #push(image: NeededImage): Promise<string> {
    const { docker } = this.#options;
    // What it would remove is what looks unused while a push is half done.
    if (this.#images.collecting) await this.#collect();
    const found = await engineTry(() => docker.getImage(image.imageId).inspect(), 404);
    if (!found) throw new ImageMissing(`the engine has no image ${image.imageId}`);
    await this.#makeRoom(found.Size, image);
    const repository = this.#fitting((await this.#options.repositoryOf(image)) ?? `${image.user}-unnamed`);
    const tag = `${this.#tagPrefix()}${image.imageId.slice("sha256:".length, "sha256:".length + 32)}`;
    const before = this.#images.get(image);
    if (before?.digest && (before.repository !== repository || before.seal !== SEAL)) {
      await this.#registry.remove(before.repository, before.digest);
    }
    this.#images.begin(image, { repository, tag }, found.Size, this.#now());
    killPoint("registry.begun");
    const name = { repository, tag };
    try {
      const stored = (await this.#pushOnce(found, name)) ?? (await this.#pushOnce(found, name));
      if (!stored) throw unavailable("it lost an image that was just pushed");
      this.#images.hold(image, stored);
      return this.#nameOf(repository, stored.digest);
    } catch (error) {
      // What came there is garbage until it is collected, or the next try completes it.
      this.#images.markDeleted(image);
      throw error;
    }
  }

  /** @returns what the registry then has; undefined when a part of it is missing there */
  async #pushOnce(
    image: Docker.ImageInspectInfo,
    name: { repository: string; tag: string },
  ): Promise<StoredImage | undefined> {
    const { docker, push, password } = this.#options;
    const { repository, tag } = name;
    const deadline = AbortSignal.timeout(this.#options.pushMs ?? 20 * 60_000);
    const signal = AbortSignal.any([this.#closed.signal, deadline]);
    try {
      await pushImage(docker, image.Id, { repo: `${push}/${repository}`, tag }, password, signal);
    } catch (error) {
      if (deadline.aborted) {
        throw new PerigeeError("REGISTRY_UNAVAILABLE", "The image registry onboard took too long", {
          cause: error,
        });
      }
      throw error;
    }
    killPoint("registry.pushed");
    const bare = await this.#registry.manifest(repository, tag);
    if (!bare) return undefined;
    // Nothing may name it, and what it needs could never be collected while it is there.
    await this.#registry.remove(repository, bare.digest);
    return this.#seal(image, name, bare);
  }

  /** Puts what nodes may run in the place of what the engine has pushed. */
  async #seal(
    image: Docker.ImageInspectInfo,
    { repository, tag }: { repository: string; tag: string },
    { layers }: StoredManifest,
  ): Promise<StoredImage | undefined> {
    const { config, manifest } = sealedImage(image, layers);
    if (!(await this.#registry.isWhole(repository, { digest: manifest.digest, blobs: layers })))
      return undefined;
    await this.#registry.putBlob(repository, LAST_LAYER);
    await this.#registry.putBlob(repository, config);
    await this.#registry.putManifest(repository, tag, manifest);
    killPoint("registry.sealed");
    const stored = await this.#registry.manifest(repository, manifest.digest);
    return stored && (await this.#registry.isWhole(repository, stored)) ? stored : undefined;
  }

  /** Is what the registry has under an image's name what we make of the image? */
  async #isSealed({ imageId }: HandedImage, { digest, layers }: StoredManifest): Promise<boolean> {
    const image = await engineTry(() => this.#options.docker.getImage(imageId).inspect(), 404);
    if (!image || image.RootFS?.Layers?.length !== layers.length - 1) return false;
    return sealedImage(image, layers.slice(0, -1)).manifest.digest === digest;
  }

  /** @throws PerigeeError STORAGE_FULL when `bytes` more cannot fit, whatever is dropped */
  async #makeRoom(bytes: number, coming: NeededImage): Promise<void> {
    const { maxBytes, room, isInUse, collect } = this.#options;
    const others = () => this.#images.all().filter((image) => keyOf(image) !== keyOf(coming));
    // Free space is for others too: where it is short, what is held gives way (if we can have it collected).
    const there = collect && room ? bytesOf(others()) + Math.max(0, room()) : maxBytes;
    const most = Math.min(maxBytes, there);
    const going = toMakeRoom(others(), { needed: bytes, most, inUse: isInUse });
    if (!going) throw full();
    for (const image of going) await this.#drop(image);
    const tight = () => bytesOf(others()) + bytes > maxBytes || (room?.() ?? bytes) < bytes;
    if (tight() && garbageOf(this.#images.all()) > 0) await this.#collect();
    if ((room?.() ?? bytes) < bytes) throw full();
  }

  async #sweep(): Promise<void> {
    for (const image of this.#images.all()) {
      if (image.state !== "held" || this.#options.isInUse(image)) continue;
      if ((await this.#options.repositoryOf(image)) === undefined) await this.#drop(image);
    }
    const most = this.#options.collectAt ?? this.#options.maxBytes / 10;
    if (garbageOf(this.#images.all()) > most) await this.#collect();
  }

  async #drop(image: HandedImage): Promise<void> {
    const shared = this.#images
      .all()
      .some(
        (other) =>
          keyOf(other) !== keyOf(image) &&
          other.state === "held" &&
          other.repository === image.repository &&
          other.digest === image.digest,
      );
    // first the note: a manifest that is gone must not be handed out
    this.#images.markDeleted(image);
    killPoint("registry.dropping");
    if (!shared) await this.#registry.remove(image.repository, image.digest!);
  }

  async #collect(): Promise<void> {
    const { collect, collectMs = 10 * 60_000 } = this.#options;
    // what was noted as deleted may still be there after a death
    for (const image of this.#images.all().filter(({ state }) => state === "deleted")) {
      const held = this.#images.all().filter(({ state }) => state !== "deleted");
      const shared = held.some(
        ({ repository, digest }) => repository === image.repository && digest === image.digest,
      );
      if (!shared && image.digest) await this.#registry.remove(image.repository, image.digest);
    }
    if (collect) await this.#runCollection(collect, collectMs);
    this.#images.forgetDeleted();
  }

  /** Noted durably until it was seen to end: cut short here, it may go on where it runs. */
  async #runCollection(collect: (signal: AbortSignal) => Promise<void>, ms: number): Promise<void> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(ms)]);
    this.#images.beginCollection(this.#now());
    killPoint("registry.collecting");
    try {
      await collect(signal);
    } catch (error) {
      if (signal.aborted || error instanceof CollectionCut) throw unavailable("it may be collecting", error);
      this.#images.endCollection();
      throw error;
    }
    this.#images.endCollection();
  }

  /** One at a time, whatever became of the one before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      this.#closed.signal.throwIfAborted();
      return work();
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** The name, or one made from it where engine or nodes would take it for too long. */
  #fitting(repository: string): string {
    const { push, pull } = this.#options;
    const most = MOST_NAME - Math.max(push.length, pull.length) - 1;
    if (repository.length <= most) return repository;
    const hash = createHash("sha256").update(repository).digest("hex");
    return `long-${hash.slice(0, 32)}`;
  }

  #nameOf(repository: string, digest: string): string {
    return `${this.#options.pull}/${repository}@${digest}`;
  }

  #tagPrefix(): string {
    return `${this.#options.instance}-`;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #tell(error: unknown, doing: string): void {
    if (!this.#closed.signal.aborted) this.#options.onError?.(error, { doing });
  }
}

function keyOf({ user, imageId }: NeededImage): string {
  return `${user} ${imageId}`;
}

function full(): PerigeeError {
  return new PerigeeError("STORAGE_FULL", "The storage of the image registry onboard is full");
}
