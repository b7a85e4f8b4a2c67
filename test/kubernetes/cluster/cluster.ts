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
  const { push, pull, passwordFile } = cluster.registry;
  console.log(`export KUBECONFIG=${cluster.kubeconfig} PATH=${cluster.programs}:$PATH`);
  console.log(
    `# registry: nodes pull from ${pull}, the agent pushes to ${push} (password in ${passwordFile})`,
  );
  const alive = setInterval(() => {}, 60_000);
  await stopped;
  clearInterval(alive);
  say("taking the cluster down");
  await cluster.down();
} catch (error) {
  console.error(`cluster: ${(error as Error).message}`);
  process.exitCode = 1;
}
