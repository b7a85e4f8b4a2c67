import { createHash } from "node:crypto";
import type Docker from "dockerode";
import { Serial } from "#protocol/serial.ts";
import { isEngineError } from "../../../engine/engine-call.ts";
import { LABEL } from "../../labels.ts";
import { NoRunnerNetwork } from "../../pod-runtime.ts";
import { hostUses } from "../host-uses.ts";
import { Firewall, type FirewallOptions } from "./firewall.ts";

/** How many /22s (1021 runners each) a /16 has. */
const SLOTS = 64;
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
      if ((await this.#find()).length > 0) await this.#ensure();
    });
  }

  /** Network and rules go, where the operator no longer wants them; with runners still on it, the bridge is down. */
  async remove(): Promise<void> {
    await this.#serial.run("", async () => {
      this.close();
      this.#ready = false;
      const found = await this.#find();
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
        await this.#remove(id);
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
    const [keep, ...doubles] = await this.#find();
    // Names are not unique in the engine: a double (the agent died in the middle) makes the name ambiguous.
    for (const id of doubles) await this.#remove(id);
    if (keep) return;
    const { pool = "10.190", instance } = this.#options;
    const start = createHash("sha256").update(instance).digest().readUInt16BE(0);
    for (let i = 0; i < SLOTS; i++) {
      const subnet = `${pool}.${((start + i) % SLOTS) * 4}.0`;
      if (hostUses(subnet, 22)) continue;
      try {
        return await this.#create(`${subnet}/22`);
      } catch (error) {
        if (!/overlap/i.test(String(error))) throw error;
      }
    }
    throw new Error(`no subnet is free in ${pool}.0.0/16`);
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

  async #find(): Promise<string[]> {
    const filters = { label: [`${LABEL.instance}=${this.#options.instance}`], name: [this.name] };
    const networks = await this.#docker.listNetworks({ filters });
    return networks
      .filter(({ Name }) => Name === this.name)
      .sort((a, b) => (a.Created ?? "").localeCompare(b.Created ?? ""))
      .map(({ Id }) => Id);
  }

  async #remove(id: string): Promise<void> {
    try {
      await this.#docker.getNetwork(id).remove();
    } catch (error) {
      if (!isEngineError(error, 404)) throw error;
    }
  }
}
