import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentConfig, readConfig } from "#agent/config.ts";
import { findCluster } from "../test/kubernetes/support/find-cluster.ts";
import { type BenchOptions, type BenchStack, startBenchStack } from "./bench-stack.ts";
import type { Kubectl } from "./kubectl.ts";

/** A cluster to measure on, found or made as `npm run test:kubernetes` does. */
export type BenchCluster = {
  kubectl: Kubectl;
  /** the agent's configuration for it */
  config: AgentConfig & Required<Pick<AgentConfig, "kubernetes" | "imageRegistry">>;
  /** directory that goes with the measure */
  scratch: string;
  /** Starts a ground and an agent whose pods are on it. */
  stack(env?: Record<string, string>, options?: BenchOptions): Promise<BenchStack>;
};

/** Measures on a cluster, and takes down what was made for it. */
export async function onCluster<T>(measure: (cluster: BenchCluster) => Promise<T>): Promise<T> {
  const scratch = mkdtempSync(join(tmpdir(), "perigee-bench-kubernetes-"));
  const found = await findCluster((line) => console.error(line), new AbortController().signal);
  try {
    const file = join(scratch, "agent.json");
    writeFileSync(file, JSON.stringify(found.config));
    const config = readConfig(file);
    const { kubernetes, imageRegistry } = config;
    if (!kubernetes || !imageRegistry) throw new Error("kubernetes and imageRegistry are needed");
    return await measure({
      kubectl: { program: found.kubectl, kubeconfig: found.kubeconfig },
      config: { ...config, kubernetes, imageRegistry },
      scratch,
      stack: (env, options) => startBenchStack({ ...env, PERIGEE_AGENT_CONFIG: file }, options),
    });
  } finally {
    await found.down();
    rmSync(scratch, { recursive: true, force: true });
  }
}
