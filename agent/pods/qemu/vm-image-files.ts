import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import { ulid } from "ulid";
import { LIMITS } from "#protocol/limits.ts";
import { BAREMETAL_PROGRAM } from "#protocol/machines.ts";
import { isEngineError } from "../../engine/engine-call.ts";
import { HELPER_LABEL } from "../../engine/helper-containers.ts";
import { Directory } from "../../files/directory.ts";
import { freeBytes } from "../../files/free-space.ts";
import { syncTree } from "../../files/sync-tree.ts";
import { ImageMissing, StartFailure } from "../pod-runtime.ts";
import { diskBytes, makeRootDisk } from "./make-root-disk.ts";
import { takeFile } from "./take-file.ts";

const FILES = { "app.elf": "baremetal", "root.img": "linux" } as const;
/** Ends the name of what is being made. */
const PART = ".part";

export type VmImage = {
  kind: (typeof FILES)[keyof typeof FILES];
  /** the directory of the one file, and the file's name */
  directory: string;
  file: keyof typeof FILES;
};

export type VmImageFilesOptions = {
  docker: Docker;
  /** unique per agent: label of the containers that it makes */
  instance: string;
  /** directory for the files, written by this class alone */
  root: string;
  /** bytes that stay free on its file system (default LIMITS.freeFloorBytes) */
  freeFloorBytes?: number;
};

/**
 * What emulators read of images, as files of this machine, made once for each image from a container that never ran: its
 * one program, or a disk with all its files.
 */
export class VmImageFiles {
  readonly #options: Required<VmImageFilesOptions>;
  readonly #labels: Record<string, string>;
  readonly #taking = new Map<string, Promise<VmImage>>();
  /** names of what is being made now */
  readonly #parts = new Set<string>();

  constructor(options: VmImageFilesOptions) {
    this.#options = { freeFloorBytes: LIMITS.freeFloorBytes, ...options };
    this.#labels = { [HELPER_LABEL]: options.instance };
  }

  /**
   * @param tools ID of the image with the compilers of machines
   * @throws ImageMissing; StartFailure when its files make no disk, or there is no room for it
   */
  of(imageId: string, tools: string): Promise<VmImage> {
    if (!/^sha256:[0-9a-f]{64}$/.test(imageId)) return Promise.reject(new ImageMissing(imageId));
    const taken = this.#taking.get(imageId) ?? this.#take(imageId, tools);
    this.#taking.set(imageId, taken);
    const forget = () => this.#taking.delete(imageId);
    taken.then(forget, forget);
    return taken;
  }

  /** Removes the files of images that the engine has no more, and what an agent before was making. */
  async sweep(): Promise<void> {
    const { root, docker } = this.#options;
    for (const name of await readdir(root).catch(() => [])) {
      if (this.#parts.has(name) || this.#taking.has(`sha256:${name}`)) continue;
      const isPart = name.endsWith(PART);
      try {
        if (!isPart) await docker.getImage(`sha256:${name}`).inspect();
      } catch (error) {
        if (!isEngineError(error, 404, 400)) continue;
        await rm(join(root, name), { recursive: true, force: true });
      }
      if (isPart) await rm(join(root, name), { recursive: true, force: true });
    }
  }

  async #take(imageId: string, tools: string): Promise<VmImage> {
    const { root } = this.#options;
    const name = imageId.replace("sha256:", "");
    const directory = join(root, name);
    const there = await readIn(directory);
    if (there) return there;
    const part = `${name}.${ulid().toLowerCase()}${PART}`;
    this.#parts.add(part);
    try {
      await mkdir(join(root, part), { recursive: true, mode: 0o755 });
      await this.#fill(join(root, part), imageId, tools);
      await syncTree(join(root, part), new AbortController().signal);
      await rename(join(root, part), directory);
      using holding = Directory.open(root);
      holding.sync();
    } finally {
      await rm(join(root, part), { recursive: true, force: true });
      this.#parts.delete(part);
    }
    void this.sweep().catch(() => undefined);
    return (await readIn(directory))!;
  }

  async #fill(directory: string, imageId: string, tools: string): Promise<void> {
    const { docker } = this.#options;
    const container = await this.#container(imageId);
    try {
      const assertRoom = (bytes: number) => this.#requireRoom(bytes);
      const to = join(directory, "app.elf");
      if (await takeFile(container, { path: BAREMETAL_PROGRAM, to, assertRoom })) return;
      const { Size, Config } = await docker.getImage(imageId).inspect();
      await makeRootDisk(docker, {
        ...{ source: container, tools, bytes: diskBytes(Size), assertRoom },
        places: Object.keys(Config?.Volumes ?? {}),
        labels: this.#labels,
        to: join(directory, "root.img"),
      });
    } finally {
      await container.remove({ force: true, v: true });
    }
  }

  /** The engine makes it, usually on the same file system, before it comes here. */
  #requireRoom(bytes: number): void {
    const { root, freeFloorBytes } = this.#options;
    if (freeBytes(root) - bytes >= freeFloorBytes) return;
    throw new StartFailure("The edge's disk has no room for the machine's: it is at its free-space floor");
  }

  async #container(imageId: string): Promise<Docker.Container> {
    try {
      return await this.#options.docker.createContainer({
        Image: imageId,
        Entrypoint: ["/never"],
        Labels: this.#labels,
        HostConfig: { NetworkMode: "none" },
      });
    } catch (error) {
      if (isEngineError(error, 404)) throw new ImageMissing(imageId, { cause: error });
      throw error;
    }
  }
}

async function readIn(directory: string): Promise<VmImage | undefined> {
  for (const [file, kind] of Object.entries(FILES) as [VmImage["file"], VmImage["kind"]][]) {
    const found = await stat(join(directory, file)).catch(() => undefined);
    if (found?.isFile()) return { kind, directory, file };
  }
  return undefined;
}
