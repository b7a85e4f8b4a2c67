import { createHash } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { MiB } from "#protocol/limits.ts";
import { Serial } from "#protocol/serial.ts";
import { ignoring, statusOf } from "../../../engine/engine-call.ts";
import { LABEL } from "../../labels.ts";
import { type ForwardImage, forwardImage } from "./image.ts";

/** In the container. */
const PLACE = "/forward";
const SOCKET = "s";
const READY_MS = 20_000;
const LOOK_MS = 20;
const MEMORY = 192 * MiB;
const PROCESSES = 32;

export type ForwarderOptions = {
  docker: Docker;
  /** label of everything that is ours */
  instance: string;
  /** begins the names of containers */
  prefix: string;
  /** for the sockets: nobody but the agent opens it */
  directory: string;
  /** Calls `work` with the name of the user's network, which stays until it returns. */
  onNetwork<T>(user: string, work: (network: string) => Promise<T>): Promise<T>;
};

/**
 * Ways into the users' networks, which have no address of this machine: a small container for each user who is asked
 * for, in the user's network and in no other. It listens at a socket in a directory that the agent alone can open, and
 * at nothing else; so from inside nothing is opened, and it reaches nobody but the user's runs.
 */
export class Forwarders {
  readonly #options: ForwarderOptions;
  readonly #serial = new Serial();
  #image: Promise<ForwardImage> | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** Opens a connection to an address in the user's network. What does not answer there shows by its end. */
  async connect(user: string, address: string, port: number): Promise<Socket> {
    const socket = (await this.#tryOpen(user)) ?? (await this.#serial.run(user, () => this.#begin(user)));
    socket.write(`${address} ${port}\n`);
    return socket;
  }

  /** Removes the user's, if there is one. */
  async remove(user: string): Promise<void> {
    await this.#serial.run(user, async () => {
      const container = this.#options.docker.getContainer(this.#name(user));
      // 409: the engine is at it
      const gone = await ignoring(container.remove({ force: true, v: true }), 404, 409);
      if (gone === 409) await ignoring(container.wait({ condition: "removed" }), 404);
      rmSync(this.#directory(user), { recursive: true, force: true });
    });
  }

  async #begin(user: string): Promise<Socket> {
    // another connection may have waited for the same
    const there = await this.#tryOpen(user);
    if (there) return there;
    mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 });
    mkdirSync(this.#directory(user), { recursive: true, mode: 0o700 });
    await this.#options.onNetwork(user, (network) => this.#start(user, network));
    for (const start = performance.now(); performance.now() - start < READY_MS; await delay(LOOK_MS)) {
      const socket = await this.#tryOpen(user);
      if (socket) return socket;
    }
    throw new Error("the forwarder did not begin to listen");
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
    this.#image ??= forwardImage(docker);
    this.#image.catch(() => {
      this.#image = undefined;
    });
    const { id, command } = await this.#image;
    return {
      name: this.#name(user),
      Hostname: "forward",
      Image: id,
      Cmd: [...command, join(PLACE, SOCKET)],
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
    let directory: number;
    try {
      directory = openSync(this.#directory(user), constants.O_RDONLY | constants.O_DIRECTORY);
    } catch {
      return undefined;
    }
    try {
      // a socket's path has 107 characters at most, and the agent's directory may have more
      const socket = connect({ path: `/proc/self/fd/${directory}/${SOCKET}`, allowHalfOpen: true });
      return await new Promise((resolve) => {
        socket.once("connect", () => resolve(socket));
        socket.once("error", () => resolve(undefined));
      });
    } finally {
      closeSync(directory);
    }
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
