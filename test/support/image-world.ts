import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PassThrough, Readable } from "node:stream";
import type Docker from "dockerode";
import { Budget } from "#agent/budget/budget.ts";
import { HELPER_LABEL } from "#agent/engine/helper-containers.ts";
import { openEngine } from "#agent/engine/open-engine.ts";
import { Directory } from "#agent/files/directory.ts";
import { DockerImageStore, type DockerImageStoreOptions } from "#agent/images/docker/image-store.ts";
import { OwnMarks } from "#agent/images/docker/own-names.ts";
import type { ImageDeps } from "#agent/images/image-deps.ts";
import { type ImageHandlers, imageHandlers } from "#agent/images/image-handlers.ts";
import { IMAGE_LABEL } from "#agent/images/image-labels.ts";
import type {
  JournalEntry,
  OperationContext,
  OperationHandler,
  OperationHandlers,
} from "#agent/operation.ts";
import type { PerigeeError } from "#protocol/errors.ts";
import type { InputOf, ResultOf } from "#protocol/operations.ts";
import type { Progress } from "#protocol/wire.ts";
import { makeBusyboxImage } from "./base-image.ts";

type ImageOperation = keyof ImageHandlers | "image.compile";

export type RunOptions = {
  command?: string;
  notes?: JournalEntry["notes"];
  signal?: AbortSignal;
  onProgress?(progress: Progress): void;
  onNote?(step: string): void;
  handlers?: Partial<OperationHandlers>;
  acquire?(): Promise<void>;
  /** how content goes up (default: none does) */
  sending?: Pick<OperationContext, "store" | "spool">;
};

/** The image operations on the real engine, with names, an instance and a directory of their own. */
export class ImageWorld {
  readonly docker: Docker = openEngine();
  readonly directory = mkdtempSync(join(tmpdir(), "perigee-images-"));
  readonly database = new DatabaseSync(join(this.directory, "state.db"));
  /** begins the names of this world's users and public images */
  readonly id = randomBytes(4).toString("hex");
  readonly alice = `a${this.id}`;
  readonly bob = `b${this.id}`;
  readonly busybox = `perigee-test/busybox-${this.id}:latest`;
  readonly instance = `test-${this.id}`;
  readonly notes: { step: string; detail: unknown }[] = [];
  readonly inUse = new Set<string>();
  /** pods that were removed, as `user/pod` */
  readonly removedPods: string[] = [];
  /** how often a command's staged files were disposed of */
  disposed = 0;
  quota = 1024 ** 4;
  room = 1;
  readonly #stores: DockerImageStore[] = [];
  store: DockerImageStore;
  deps: ImageDeps;
  handlers: ImageHandlers;

  constructor(options: Partial<DockerImageStoreOptions> = {}) {
    this.store = this.openStore(options);
    this.deps = {
      openVolume: (user, volume) => {
        try {
          return Directory.open(this.path(user, volume));
        } catch {
          return undefined;
        }
      },
      receiveStaged: async () => ({
        directory: Directory.open(this.path("staged")),
        [Symbol.asyncDispose]: async () => {
          this.disposed++;
        },
      }),
      discardStaged: async () => void this.disposed++,
      budget: new Budget({
        known: async () => undefined,
        measure: (user) => this.store.usage(user),
        quota: () => this.quota,
      }),
      isImageInUse: async (user, name, tag) => this.inUse.has(`${user}/${name}:${tag}`),
      removePod: async (user, pod) => void this.removedPods.push(`${user}/${pod}`),
      room: () => this.room,
      measure: async (directory) => {
        const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
        return names.reduce((sum, name) => sum + lstatSync(join(directory, name)).size, 0);
      },
    };
    this.handlers = imageHandlers(this.store, this.deps);
  }

  openStore(options: Partial<DockerImageStoreOptions> = {}): DockerImageStore {
    const store = new DockerImageStore({
      docker: this.docker,
      database: this.database,
      instance: this.instance,
      publicImages: [this.busybox],
      ...options,
    });
    this.#stores.push(store);
    return store;
  }

  async setUp(): Promise<void> {
    await makeBusyboxImage(this.docker, this.busybox);
  }

  path(user: string, ...parts: string[]): string {
    return join(this.directory, "volumes", user, ...parts);
  }

  /** Writes files into a user's volume `default`. */
  async write(user: string, files: Record<string, string | Buffer>): Promise<void> {
    mkdirSync(this.path(user, "default"), { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const path = this.path(user, "default", name);
      mkdirSync(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
  }

  async run<O extends ImageOperation>(
    operation: O,
    user: string,
    input: InputOf<O>,
    options: RunOptions = {},
  ): Promise<ResultOf<O>> {
    const { command = randomBytes(13).toString("hex").toUpperCase(), notes = [] } = options;
    const context: OperationContext<O> = {
      command: { id: command, user, operation },
      input,
      signal: options.signal ?? new AbortController().signal,
      handleCancel: () => new AbortController().signal,
      killed: new AbortController().signal,
      acquire: options.acquire ?? (async () => undefined),
      release: () => undefined,
      progress: (progress) => options.onProgress?.(progress),
      manifest: async () => [],
      fetch: async () => Readable.from([]),
      fetchInto: async () => {},
      store: options.sending?.store ?? (async (n) => ({ n, size: 0 })),
      spool: options.sending?.spool ?? (() => Promise.reject(new Error("not expected here"))),
      journal: {
        notes,
        note: (step, detail) => {
          this.notes.push({ step, detail });
          options.onNote?.(step);
        },
        noteSoon: (step, detail) => void this.notes.push({ step, detail }),
      },
    };
    const handlers: Partial<OperationHandlers> = options.handlers ?? this.handlers;
    try {
      return await (handlers[operation] as OperationHandler<O>)(context);
    } finally {
      for (const store of this.#stores) await store.settled();
    }
  }

  build(user: string, image: string, options: RunOptions & Partial<InputOf<"image.build">> = {}) {
    const { dockerfile = "Dockerfile", context = "", source = { volume: "default" } } = options;
    const { log, space, noCache, bases, acquire, ...run } = options;
    return this.run(
      "image.build",
      user,
      {
        source,
        dockerfile,
        context,
        image,
        ...(log && { log }),
        ...(space && { space }),
        ...(noCache && { noCache }),
        ...(bases && { bases }),
      },
      { ...run, ...(acquire && { acquire }) },
    );
  }

  /** Builds from a Dockerfile given as text. */
  async buildText(user: string, image: string, dockerfile: string, options: RunOptions = {}) {
    await this.write(user, { [`${image}.dockerfile`]: dockerfile, "ctx/file": "content of file\n" });
    return this.build(user, image, { ...options, dockerfile: `${image}.dockerfile`, context: "ctx" });
  }

  load(user: string, image: string, tarfile: string, options: RunOptions = {}) {
    return this.run("image.load", user, { volume: "default", tarfile, image }, options);
  }

  /** What a command in the user's image writes. */
  async outputOf(user: string, image: string, ...command: string[]): Promise<string> {
    const found = await this.store.resolve(user, image);
    if (!found) throw new Error(`${image} was not found`);
    return this.output(found.id, command);
  }

  /** Containers and nameless images that builds of this world left. */
  async leftovers(): Promise<unknown[]> {
    const label = [`${IMAGE_LABEL}=${this.instance}`];
    const helping = { label: [`${HELPER_LABEL}=${this.instance}`] };
    const containers = await this.docker.listContainers({ all: true, filters: { label } });
    containers.push(...(await this.docker.listContainers({ all: true, filters: helping })));
    const images = await this.docker.listImages({ filters: { label, dangling: ["true"] } });
    return [...containers.map((c) => c.Command), ...images.map((i) => i.Id)];
  }

  /** What a container of the image prints. */
  async output(id: string, command: string[]): Promise<string> {
    const container = await this.docker.createContainer({
      Image: id,
      Cmd: command,
      HostConfig: { NetworkMode: "none" },
    });
    try {
      const attached = await container.attach({ stream: true, stdout: true, stderr: true });
      const text = (async () => {
        const sink = new PassThrough();
        this.docker.modem.demuxStream(attached, sink, sink);
        attached.once("end", () => sink.end());
        return (await sink.toArray()).join("");
      })();
      await container.start();
      return await text;
    } finally {
      await container.remove({ force: true });
    }
  }

  /** All tags in the engine with this world's id in them. */
  async tags(): Promise<string[]> {
    const images = await this.docker.listImages();
    const temporary = this.store.temporaryName("").replace(/\/.*$/, "/");
    return images
      .flatMap((image) => image.RepoTags ?? [])
      .filter((tag) => tag.includes(this.id) || tag.startsWith(temporary))
      .sort();
  }

  async tearDown(): Promise<void> {
    const marks = new OwnMarks(this.instance);
    const images = await this.docker.listImages();
    const marked = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => marks.isOurs(tag));
    for (const tag of [...(await this.tags()), ...marked]) {
      await this.docker
        .getImage(tag)
        .remove({ force: true })
        .catch(() => {});
    }
    await this.store.discard("none");
    await this.store.settled();
    this.database.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The failure of an operation that must fail: its code, and its log tail as one text. */
export async function failureOf(
  operation: Promise<unknown>,
): Promise<{ code: string; message: string; log: string }> {
  try {
    await operation;
  } catch (error) {
    const { code, message, data } = error as PerigeeError;
    if (code === undefined) throw error;
    return { code, message, log: ((data?.log_tail as string[]) ?? []).join("") };
  }
  throw new Error("the operation did not fail");
}
