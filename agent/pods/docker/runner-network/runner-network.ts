import { createHash } from "node:crypto";
import type Docker from "dockerode";
import { Serial } from "#protocol/serial.ts";
import { LABEL } from "../../labels.ts";
import { NoRunnerNetwork } from "../../pod-runtime.ts";
import {
  findNetworks,
  inFreeSubnet,
  type NamedNetwork,
  onlyNetwork,
  removeNetwork,
} from "../bridge-networks.ts";
import { Firewall, type FirewallOptions } from "./firewall.ts";

/** room for 1021 runners */
const SUBNET_BITS = 22;
const CHECK_MS = 15_000;

export type RunnerNetworkOptions = {
  /** label of everything that is ours */
  instance: string;
  /** begins the network's name */
  prefix: string;
  /** first two numbers of the /16 that the network is cut from; default `10.190` */
  pool?: string;
  /** ms between two looks at the rules; default 15 000 */
  checkMs?: number;
  /** of the rules */
  firewall?: Pick<FirewallOptions, "nft" | "devices" | "bridged">;
  /** the rules could not be put in place: the runners' network is down until they are */
  onDown?(reason: string): void;
};

/**
 * The one network of the runners that may reach public addresses: a bridge of its own, and a table of rules that holds
 * before there is a bridge. Invariants:
 * - No runner is on it while the rules are not in place: they are looked at before each start and every 15 s while the
 *   network is there; where they cannot be put back, the bridge is taken down.
 * - A runner reaches public addresses and whoever came to it by a mapped port; not this machine, not another runner.
 */
export class DockerRunnerNetwork {
  readonly name: string;
  readonly #docker: Docker;
  readonly #options: RunnerNetworkOptions;
  readonly #firewall: Firewall;
  readonly #bridge: string;
  readonly #serial = new Serial();
  #checks: NodeJS.Timeout | undefined;
  #ready = false;

  constructor(docker: Docker, options: RunnerNetworkOptions) {
    this.#docker = docker;
    this.#options = options;
    const hash = createHash("sha256").update(options.instance).digest("hex").slice(0, 8);
    this.name = `${options.prefix}-runners-${hash}`;
    // the kernel's names have 15 characters
    this.#bridge = `prun-${hash}`;
    this.#firewall = new Firewall({
      ...options.firewall,
      table: `perigee_runners_${hash}`,
      bridge: this.#bridge,
    });
  }

  /** Calls `work` with the network's name when rules and bridge are in place. @throws NoRunnerNetwork */
  async use<T>(work: (network: string) => Promise<T>): Promise<T> {
    await this.#serial.run("", () => this.#ensure());
    return work(this.name);
  }

  /** The network turned out to be gone: the next use makes it again. */
  forget(): void {
    this.#ready = false;
  }

  /** Runners of an agent before may be on it: the rules are looked at from now on, if it is there. */
  async resume(): Promise<void> {
    await this.#serial.run("", async () => {
      if ((await findNetworks(this.#docker, this.#named)).length > 0) await this.#ensure();
    });
  }

  /** Network and rules go, where the operator no longer wants them; with runners still on it, the bridge is down. */
  async remove(): Promise<void> {
    await this.#serial.run("", async () => {
      this.close();
      this.#ready = false;
      const found = await findNetworks(this.#docker, this.#named);
      if (found.length === 0) return;
      try {
        this.#firewall.setUp(false);
      } catch {
        // a bridge of another machine, or none
      }
      for (const id of found) {
        const { Containers = {} } = await this.#docker.getNetwork(id).inspect();
        for (const container of Object.keys(Containers)) {
          await this.#docker.getNetwork(id).disconnect({ Container: container, Force: true });
        }
        await removeNetwork(this.#docker, id);
      }
      await this.#firewall.remove();
    });
  }

  /** No more looks at the rules, which stay. */
  close(): void {
    clearTimeout(this.#checks);
    this.#checks = undefined;
  }

  async #ensure(): Promise<void> {
    try {
      await this.#firewall.ensure();
      if (!this.#ready) await this.#ensureNetwork();
      await this.#firewall.isHere();
      this.#firewall.setUp(true);
      this.#ready = true;
    } catch (error) {
      this.#ready = false;
      throw new NoRunnerNetwork(`runners have no network here: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (!this.#checks) this.#checkLater();
  }

  /** One look after the other: a machine that is slow is not asked more often than it answers. */
  #checkLater(): void {
    this.#checks = setTimeout(async () => {
      await this.#check();
      if (this.#checks) this.#checkLater();
    }, this.#options.checkMs ?? CHECK_MS);
    this.#checks.unref();
  }

  async #check(): Promise<void> {
    await this.#serial.run("", async () => {
      if (!this.#checks) return;
      try {
        await this.#firewall.ensure();
        await this.#firewall.isHere();
        this.#firewall.setUp(true);
      } catch (error) {
        this.#ready = false;
        try {
          this.#firewall.setUp(false);
        } catch {
          // without a bridge there is nothing to take down
        }
        this.#options.onDown?.((error as Error).message);
      }
    });
  }

  async #ensureNetwork(): Promise<void> {
    if (await onlyNetwork(this.#docker, this.#named)) return;
    const { pool = "10.190", instance } = this.#options;
    const start = createHash("sha256").update(instance).digest().readUInt16BE(0);
    await inFreeSubnet({ pool, bits: SUBNET_BITS, start }, (subnet) => this.#create(subnet));
  }

  async #create(subnet: string): Promise<void> {
    await this.#docker.createNetwork({
      Name: this.name,
      CheckDuplicate: true,
      Driver: "bridge",
      EnableIPv6: false,
      IPAM: { Driver: "default", Config: [{ Subnet: subnet }] },
      Options: {
        "com.docker.network.bridge.name": this.#bridge,
        // the engine's own rule against talk between them, beside ours
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
      },
      Labels: { [LABEL.instance]: this.#options.instance },
    });
  }

  get #named(): NamedNetwork {
    return { name: this.name, labels: [`${LABEL.instance}=${this.#options.instance}`] };
  }
}
