import type Docker from "dockerode";
import type { MappedPort } from "#protocol/runners.ts";
import type { OpenNetwork } from "../open-network.ts";
import { NoRunnerNetwork, type RunSpec } from "../pod-runtime.ts";
import { DockerNetworks, type NetworkOptions } from "./networks.ts";
import { DockerRunnerNetwork, type RunnerNetworkOptions } from "./runner-network/runner-network.ts";

/** Whether runners may have a network, and what of it the operator chose. */
export type RunnerNetworkSettings = OpenNetwork & Pick<RunnerNetworkOptions, "checkMs" | "firewall">;

export type RunNetworksOptions = Omit<NetworkOptions, "onOpen"> & {
  /** undefined: no runner has a network */
  open: RunnerNetworkSettings | undefined;
  /** called once for each kind of warning */
  warn?(message: string): void;
};

/** The networks that runs are started on: one for each user's pods, and one for all runners with an open network. */
export class RunNetworks {
  readonly #users: DockerNetworks;
  readonly #runners: DockerRunnerNetwork;
  readonly #isOpen: boolean;
  readonly #warn: (message: string) => void;
  readonly #said = new Set<string>();

  constructor(docker: Docker, { open, warn, ...options }: RunNetworksOptions) {
    this.#warn = (message) => {
      if (!this.#said.has(message)) warn?.(message);
      this.#said.add(message);
    };
    let told = false;
    this.#users = new DockerNetworks(docker, {
      ...options,
      onOpen: (reasons) => {
        if (!told) this.#warn(`datagrams of pods may reach this machine: ${reasons.join("; ")}`);
        told = true;
      },
    });
    this.#isOpen = open !== undefined;
    this.#runners = new DockerRunnerNetwork(docker, {
      instance: options.instance,
      prefix: options.prefix,
      ...(open?.checkMs !== undefined && { checkMs: open.checkMs }),
      ...(open?.firewall && { firewall: open.firewall }),
      onDown: (reason) => this.#warn(`runners have no network until this is mended: ${reason}`),
    });
  }

  /** Calls `work` with the name of the network that the run belongs on; undefined: none. @throws NoRunnerNetwork */
  async use<T>(spec: RunSpec, work: (network: string | undefined) => Promise<T>): Promise<T> {
    if (spec.network === "none") return work(undefined);
    if (spec.network === "user") return this.#users.use(spec.user, work);
    if (!this.#isOpen) throw new NoRunnerNetwork("runners have no network here");
    return this.#runners.use(work);
  }

  /** {@link RunNetworks.use} for what is no run, and belongs on the network of the user's pods. */
  ofUser<T>(user: string, work: (network: string) => Promise<T>): Promise<T> {
    return this.#users.use(user, work);
  }

  /** The run's network turned out to be gone: the next use makes it again. */
  forget(spec: RunSpec): void {
    if (spec.network === "open") this.#runners.forget();
    else this.#users.forget(spec.user);
  }

  /** What an agent before left: pods' networks are closed, the rules of the runners' are looked at again, or it goes. */
  async settle(): Promise<void> {
    // An engine that is not there yet has nothing that runs.
    await this.#users.closeAll().catch(() => undefined);
    const settled = this.#isOpen ? this.#runners.resume() : this.#runners.remove();
    await settled.catch((error: Error) => this.#warn(error.message));
  }

  tidy(user: string, used: () => Promise<boolean>): Promise<void> {
    return this.#users.tidy(user, used);
  }

  close(): void {
    this.#runners.close();
  }
}

/** Host addresses and ports of the published ports of a container, from its inspection. */
export function mappedPorts({ NetworkSettings }: Docker.ContainerInspectInfo): MappedPort[] {
  return Object.entries(NetworkSettings.Ports ?? {}).flatMap(([port, bound]) => {
    const [first] = bound ?? [];
    if (!first) return [];
    return { exposedPort: Number.parseInt(port, 10), hostAddress: `${first.HostIp}:${first.HostPort}` };
  });
}
