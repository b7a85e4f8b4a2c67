import { createHash } from "node:crypto";
import type Docker from "dockerode";
import { Serial } from "#protocol/serial.ts";
import { LABEL } from "../labels.ts";
import {
  findNetworks,
  inFreeSubnet,
  type NamedNetwork,
  onlyNetwork,
  removeNetwork,
} from "./bridge-networks.ts";
import { closeBridge } from "./closed-bridge.ts";

/** The pool, a /16, has room for 256 networks, and so for as many users with pods at the same time. */
const SUBNET_BITS = 24;

export type NetworkOptions = {
  /** label of everything that is ours */
  instance: string;
  /** begins the names of networks */
  prefix: string;
  /** first two numbers of the /16 that the networks are cut from, for example "10.191" */
  pool: string;
  /** the network of a user could not be closed towards this machine */
  onOpen?(reasons: string[]): void;
};

/**
 * One network per user with pods: internal, without an address of the host on it, and closed towards the host
 * (closed-bridge.ts), so that its pods reach each other and nothing else. Subnets are cut from a pool of our own, because the engine's has room for about 30.
 */
export class DockerNetworks {
  readonly #docker: Docker;
  readonly #options: NetworkOptions;
  readonly #serial = new Serial();
  /** IDs of the networks that are known to exist, by user */
  readonly #ready = new Map<string, string>();
  /** starts under way by user: a network whose pod is not started yet looks unused to the engine */
  readonly #held = new Map<string, number>();

  constructor(docker: Docker, options: NetworkOptions) {
    this.#docker = docker;
    this.#options = options;
  }

  /** Calls `work` with the name of the user's network, which stays until it returns. */
  async use<T>(user: string, work: (network: string) => Promise<T>): Promise<T> {
    await this.#serial.run(user, async () => {
      const id = this.#ready.get(user) ?? (await this.#ensure(user));
      this.#ready.set(user, id);
      this.#close(id);
      this.#held.set(user, (this.#held.get(user) ?? 0) + 1);
    });
    try {
      return await work(this.#name(user));
    } finally {
      const held = (this.#held.get(user) ?? 1) - 1;
      if (held > 0) this.#held.set(user, held);
      else this.#held.delete(user);
    }
  }

  /** Closes the networks that are there already: pods may run in them that an agent before started. */
  async closeAll(): Promise<void> {
    const filters = { label: [`${LABEL.instance}=${this.#options.instance}`] };
    for (const { Id, Labels } of await this.#docker.listNetworks({ filters })) {
      if (Labels?.[LABEL.user] !== undefined) this.#close(Id);
    }
  }

  /** The network turned out to be gone: the next use makes it again. */
  forget(user: string): void {
    this.#ready.delete(user);
  }

  /** Removes the user's network unless a pod is being started or `used` says that one is left. */
  async tidy(user: string, used: () => Promise<boolean>): Promise<void> {
    await this.#serial.run(user, async () => {
      if (this.#held.has(user) || (await used())) return;
      this.#ready.delete(user);
      try {
        const found = await findNetworks(this.#docker, this.#named(user));
        for (const id of found) await removeNetwork(this.#docker, id);
      } catch (error) {
        // Engines now and then count an endpoint that is gone until they restart: the next run takes it again.
        if (!/active endpoints/.test(String(error))) throw error;
      }
    });
  }

  #close(id: string): void {
    const reasons = closeBridge(`br-${id.slice(0, 12)}`);
    if (reasons.length > 0) this.#options.onOpen?.(reasons);
  }

  async #ensure(user: string): Promise<string> {
    const keep = await onlyNetwork(this.#docker, this.#named(user));
    if (keep) return keep;
    const { pool, instance } = this.#options;
    const start = createHash("sha256").update(`${instance} ${user}`).digest().readUInt16BE(0);
    return inFreeSubnet({ pool, bits: SUBNET_BITS, start }, (subnet) => this.#create(user, subnet));
  }

  async #create(user: string, subnet: string): Promise<string> {
    const { id } = await this.#docker.createNetwork({
      Name: this.#name(user),
      CheckDuplicate: true,
      Driver: "bridge",
      Internal: true,
      EnableIPv6: false,
      IPAM: { Driver: "default", Config: [{ Subnet: subnet }] },
      Options: {
        "com.docker.network.bridge.inhibit_ipv4": "true",
        "com.docker.network.bridge.enable_icc": "true",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
      },
      Labels: { [LABEL.instance]: this.#options.instance, [LABEL.user]: user },
    });
    return id;
  }

  #named(user: string): NamedNetwork {
    const labels = [`${LABEL.instance}=${this.#options.instance}`, `${LABEL.user}=${user}`];
    return { name: this.#name(user), labels };
  }

  /** Names begin alike for all agents on an engine, so the instance is in them. */
  #name(user: string): string {
    const instance = createHash("sha256").update(this.#options.instance).digest("hex").slice(0, 8);
    return `${this.#options.prefix}-net-${instance}-${user}`;
  }
}
