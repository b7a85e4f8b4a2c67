import { createHash } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { MiB } from "#protocol/limits.ts";
import { ignoring, statusOf } from "../../../engine/engine-call.ts";
import { isErrno } from "../../../files/directory.ts";
import { largeReads } from "../../join-sockets.ts";
import { LABEL } from "../../labels.ts";
import { forwardImage, forwardParts } from "./image.ts";

/** In the container. */
const PLACE = "/forward";
const READY_MS = 20_000;
const LOOK_MS = 20;
/** After one that could not be made, the user's connections fail for this long without another try. */
const PAUSE_MS = 5_000;
const MEMORY = 256 * MiB;
const PROCESSES = 32;

export type ForwarderOptions = {
  docker: Docker;
  /** label of everything that is ours */
  instance: string;
  /** begins the names of containers */
  prefix: string;
  /** holds the sockets; only the agent's user may open it */
  directory: string;
  /** Calls `work` with the name of the user's network, which stays until it returns. */
  onNetwork<T>(user: string, work: (network: string) => Promise<T>): Promise<T>;
};

/**
 * Ways into the users' networks, which have no address of this machine: a small container for each user who is asked
 * for, in the user's network and in no other. It listens at a socket in a directory that the agent alone can open, and
 * at nothing else: pods cannot connect to it, and it can connect to the user's runs only.
 */
export class Forwarders {
  readonly #options: ForwarderOptions;
  /** of this agent's own program: a forwarder of another agent's has no socket by this name */
  readonly #parts = forwardParts();
  /** being made, or given up a moment ago, by user */
  readonly #beginning = new Map<string, Promise<void>>();
  readonly #read = largeReads();
  #image: Promise<string> | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /**
   * Opens a connection to an address in the user's network. What does not answer there shows by its end.
   * @param signal aborted: nothing is made any more
   */
  async connect(user: string, address: string, port: number, signal: AbortSignal): Promise<Socket> {
    let socket = await this.#tryOpen(user);
    if (!socket) {
      signal.throwIfAborted();
      await this.#begun(user);
      signal.throwIfAborted();
      socket = await this.#tryOpen(user);
    }
    if (!socket) throw new Error("the forwarder ended");
    socket.write(`${address} ${port}\n`);
    return socket;
  }

  /** Resolves when nothing is being made for the user. */
  async settled(user: string): Promise<void> {
    await this.#beginning.get(user)?.catch(() => undefined);
  }

  /** Removes the user's, if there is one; nothing holds the user's network, and nothing begins to until it is done. */
  async remove(user: string): Promise<void> {
    const container = this.#options.docker.getContainer(this.#name(user));
    // 409: the engine is at it
    const gone = await ignoring(container.remove({ force: true, v: true }), 404, 409);
    if (gone === 409) await ignoring(container.wait({ condition: "removed" }), 404);
    rmSync(this.#directory(user), { recursive: true, force: true });
  }

  /** Connections of one user that come meanwhile wait for the same start, and fail with it. */
  #begun(user: string): Promise<void> {
    const under = this.#beginning.get(user);
    if (under) return under;
    const begun = this.#begin(user);
    this.#beginning.set(user, begun);
    const forget = () => this.#beginning.delete(user);
    begun.then(forget, () => setTimeout(forget, PAUSE_MS).unref());
    return begun;
  }

  /** Holds the network until the forwarder listens, so that a removal of the network waits and then finds the forwarder. */
  #begin(user: string): Promise<void> {
    return this.#options.onNetwork(user, async (network) => {
      // another connection may have waited for the same
      if (await this.#listens(user)) return;
      mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 });
      mkdirSync(this.#directory(user), { recursive: true, mode: 0o700 });
      await this.#start(user, network);
      for (const start = performance.now(); performance.now() - start < READY_MS; await delay(LOOK_MS)) {
        if (await this.#listens(user)) return;
      }
      throw new Error("the forwarder did not begin to listen");
    });
  }

  async #listens(user: string): Promise<boolean> {
    const socket = await this.#tryOpen(user);
    socket?.destroy();
    return socket !== undefined;
  }

  async #start(user: string, network: string, again = false): Promise<void> {
    const { docker } = this.#options;
    const container = docker.getContainer(this.#name(user));
    try {
      // one that ended, or was made by an agent that died then; its network may be another than today's
      await ignoring(container.remove({ force: true, v: true }), 404, 409);
      await docker.createContainer(await this.#containerOf(user, network));
      await ignoring(container.start(), 304);
    } catch (error) {
      if (again || statusOf(error) !== 404) throw error;
      // somebody removed the image
      this.#image = undefined;
      await this.#start(user, network, true);
    }
  }

  async #containerOf(user: string, network: string): Promise<Docker.ContainerCreateOptions> {
    const { docker, instance } = this.#options;
    this.#image ??= forwardImage(docker, this.#parts);
    this.#image.catch(() => {
      this.#image = undefined;
    });
    const id = await this.#image;
    return {
      name: this.#name(user),
      Hostname: "forward",
      Image: id,
      Cmd: [...this.#parts.command, join(PLACE, this.#socket())],
      // whose directory it is
      User: `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`,
      Labels: { [LABEL.instance]: instance, [LABEL.user]: user },
      NetworkingConfig: { EndpointsConfig: { [network]: {} } },
      HostConfig: {
        NetworkMode: network,
        Dns: ["127.0.0.1"],
        Mounts: [{ Type: "bind", Source: this.#directory(user), Target: PLACE }],
        RestartPolicy: { Name: "no" },
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges"],
        Memory: MEMORY,
        MemorySwap: MEMORY,
        PidsLimit: PROCESSES,
        LogConfig: { Type: "none", Config: {} },
      },
    };
  }

  /** A connection to the user's forwarder; undefined when none listens. */
  async #tryOpen(user: string): Promise<Socket | undefined> {
    for (const start = performance.now(); ; await delay(LOOK_MS)) {
      try {
        return await this.#open(user);
      } catch (error) {
        if (isErrno(error, "ENOENT", "ECONNREFUSED")) return undefined;
        // more connect at once than it has taken yet
        if (!isErrno(error, "EAGAIN") || performance.now() - start > READY_MS) throw error;
      }
    }
  }

  async #open(user: string): Promise<Socket> {
    const directory = openSync(this.#directory(user), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      // a socket's path has 107 characters at most, and the agent's directory may have more
      const path = `/proc/self/fd/${directory}/${this.#socket()}`;
      const socket = this.#read((onread) => connect({ path, allowHalfOpen: true, onread }));
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      });
      return socket;
    } finally {
      closeSync(directory);
    }
  }

  #socket(): string {
    return this.#parts.tag;
  }

  #directory(user: string): string {
    return join(this.#options.directory, this.#hash(user));
  }

  #name(user: string): string {
    return `${this.#options.prefix}-forward-${this.#hash(user)}`;
  }

  #hash(user: string): string {
    return createHash("sha256").update(`${this.#options.instance} ${user}`).digest("hex").slice(0, 12);
  }
}
