import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { configOf } from "../support/find-cluster.ts";
import { NODE_LABELS } from "./node-labels.ts";
import { startOwnCluster } from "./own-cluster.ts";

/**
 * `node test/kubernetes/cluster/cluster.ts`: a throwaway cluster in the foreground, for trying things; Ctrl-C
 * takes it down.
 */
const started = performance.now();
const say = (line: string) =>
  console.error(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);
const controller = new AbortController();
const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      controller.abort(new Error(`stopped by ${signal}`));
      resolve();
    });
  }
});
try {
  const cluster = await startOwnCluster({ say, labels: NODE_LABELS, signal: controller.signal });
  const config = join(cluster.places.run, "agent-config.json");
  writeFileSync(config, JSON.stringify(configOf(cluster), null, 2), { mode: 0o600 });
  console.log(`export KUBECONFIG=${cluster.kubeconfig} PATH=${cluster.programs}:$PATH`);
  console.log("# the agent's configuration, for a deployment or for npm run test:kubernetes");
  console.log(`export PERIGEE_AGENT_CONFIG=${config} PERIGEE_KUBERNETES_CONFIG=${config}`);
  const alive = setInterval(() => {}, 60_000);
  await stopped;
  clearInterval(alive);
  say("taking the cluster down");
  await cluster.down();
} catch (error) {
  console.error(`cluster: ${(error as Error).message}`);
  process.exitCode = 1;
}
