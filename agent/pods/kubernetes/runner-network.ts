import { LIMITS } from "#protocol/limits.ts";
import type { OpenNetwork } from "../open-network.ts";
import type { RunSpec, Started } from "../pod-runtime.ts";
import type { KubernetesApi } from "./api.ts";
import { clusterRanges } from "./cluster-ranges.ts";
import type { KubernetesNames } from "./names.ts";
import { mappedPorts, type PortService, servicePath } from "./ports.ts";
import type { OpenRules } from "./runner-namespace.ts";

/** What the operator gives runners: all of them together, and each one. */
export type RunnerSettings = {
  /** of the edge, idle and used */
  most: number;
  /** CPUs and bytes of one */
  maxCpus: number;
  scratchBytes: number;
  /** of the nodes, that all of them open together (default LIMITS.runnerPorts) */
  ports?: number;
  /** undefined: none has a network */
  open?: OpenNetwork;
};

/** The network of runners, as far as the operator opened it. */
export class RunnerNetwork {
  /** for the namespaces of runners; undefined: none has a network @throws NoRunnerNetwork */
  readonly rules: (() => Promise<OpenRules>) | undefined;
  readonly #api: KubernetesApi;
  readonly #names: KubernetesNames;
  readonly #open: OpenNetwork | undefined;

  constructor(api: KubernetesApi, names: KubernetesNames, settings: RunnerSettings | undefined) {
    this.#api = api;
    this.#names = names;
    const { open, ports = LIMITS.runnerPorts } = settings ?? {};
    this.#open = open;
    if (!open) return;
    this.rules = async () => ({
      clusterRanges: await clusterRanges(api, open.hostAddress),
      ...(open.hostAddress !== undefined && { nodePorts: ports }),
    });
  }

  /** Are the run's ports to be opened? Those of runners are where the operator gave them an address. */
  opensPorts({ runner, ports }: RunSpec): boolean {
    return ports.length > 0 && (!runner || this.#open?.hostAddress !== undefined);
  }

  /** Where a runner's ports are reached. */
  async mappedPorts(spec: RunSpec): Promise<Pick<Started, "ports">> {
    const { hostAddress } = this.#open ?? {};
    if (!spec.runner || hostAddress === undefined || !this.opensPorts(spec)) return {};
    const service = await this.#api.call<PortService>(servicePath(this.#names, spec));
    return { ports: mappedPorts(service, hostAddress) };
  }
}
