import { existsSync, readFileSync } from "node:fs";
import { findProgram } from "../../../scripts/debian-packages.ts";
import type { Daemons } from "../cluster/daemons.ts";
import { NODE_LABELS } from "../cluster/node-labels.ts";
import { type OwnCluster, startOwnCluster } from "../cluster/own-cluster.ts";
import { namespaceOf } from "../cluster/places.ts";
import type { ClusterUnderTest } from "./cluster-under-test.ts";

export type FoundCluster = Pick<ClusterUnderTest, "kubeconfig" | "kubectl" | "own"> & {
  /** the agent's configuration for it */
  config: Record<string, unknown>;
  daemons?: Daemons;
  down(keepLogs?: string): Promise<void>;
};

const CONFIG = "PERIGEE_KUBERNETES_CONFIG";
const NODE_LOST_S = 15;

/**
 * The cluster to test on. With KUBECONFIG set that one: PERIGEE_KUBERNETES_CONFIG then names a file with the
 * agent's configuration for it, since nobody can guess how its nodes reach volumes and registry. Else a
 * throwaway cluster of our own.
 */
export async function findCluster(
  say: (line: string) => void,
  signal: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<FoundCluster> {
  if (env.KUBECONFIG) return givenCluster(env.KUBECONFIG, env);
  const cluster = await startOwnCluster({ say, labels: NODE_LABELS, signal });
  return {
    kubeconfig: cluster.kubeconfig,
    kubectl: `${cluster.programs}/kubectl`,
    config: configOf(cluster),
    daemons: cluster.daemons,
    down: cluster.down,
    own: {
      run: cluster.places.run,
      namespaces: [namespaceOf(cluster.places.slot, 1), namespaceOf(cluster.places.slot, 2)],
      host: cluster.addresses.host,
      nodes: cluster.addresses.nodes,
      apiService: cluster.addresses.apiService,
      pull: cluster.registry.pull,
      push: cluster.registry.push,
      passwordFile: cluster.registry.passwordFile,
      storage: cluster.registry.storage,
      collect: cluster.registry.collect,
      program: cluster.registry.collect[0]!,
    },
  };
}

function givenCluster(kubeconfig: string, env: NodeJS.ProcessEnv): FoundCluster {
  const kubectl = findProgram("kubectl");
  if (!kubectl) throw new Error("KUBECONFIG is set, but there is no kubectl");
  const file = env[CONFIG];
  if (!file || !existsSync(file)) {
    throw new Error(
      `KUBECONFIG is set, so ${CONFIG} must name a file with the agent's configuration for that cluster (docs/kubernetes.md says how)`,
    );
  }
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.kubernetes = { ...config.kubernetes, kubeconfig: config.kubernetes?.kubeconfig ?? kubeconfig };
  return { kubeconfig, kubectl, config, down: async () => {} };
}

/** The agent's configuration for a cluster of our own. */
export function configOf({
  kubeconfig,
  addresses,
  registry,
}: Pick<OwnCluster, "kubeconfig" | "addresses" | "registry">): Record<string, unknown> {
  const kind = (name: string) => ({ labels: { [`perigee.test/${name}`]: "true" } });
  return {
    kubernetes: {
      kubeconfig,
      kinds: { FPGA: kind("fpga"), GPU: kind("gpu"), MPU: kind("mpu") },
      dns: { address: addresses.nodes[0] },
      nodeLostSeconds: NODE_LOST_S,
    },
    imageRegistry: {
      pull: registry.pull,
      push: registry.push,
      passwordFile: registry.passwordFile,
      storage: registry.storage,
      collect: registry.collect,
    },
  };
}
