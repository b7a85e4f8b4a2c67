import { type Kubectl, kubectl } from "../kubectl.ts";
import { onCluster } from "../on-cluster.ts";
import { median, type Row } from "../table.ts";
import { PoseidonBench } from "./stack.ts";
import { timeExecutions } from "./time-executions.ts";

/**
 * `true` on a warm runner of a cluster, from the connect to its `exit`, against `kubectl exec` of the same command in the
 * same pod, in turns.
 */
export function measureClusterExecutions(): Promise<Row[]> {
  return onCluster(async ({ kubectl: client, stack }) => {
    const poseidon = await PoseidonBench.start({ stack });
    try {
      const id = await poseidon.pool(1);
      const runner = await poseidon.runner(id);
      const pod = runner.slice("/runners/".length);
      const namespace = await namespaceOf(client, pod);
      await poseidon.idle(id, 1);
      const exec = ["-n", namespace, "exec", pod, "-c", "payload", "--", "/bin/bash", "-c", "true"];
      const { ours, peer } = await timeExecutions(poseidon, runner, () => kubectl(client, exec));
      return [
        {
          what: "execution of `true` on a warm runner on Kubernetes, connect to exit, p50",
          ours: `${median(ours).toFixed(1)} ms`,
          peer: `kubectl exec: ${median(peer).toFixed(1)} ms`,
          ratio: median(ours) / median(peer),
          goal: { below: 1.1 },
        },
      ];
    } finally {
      await poseidon.stop();
    }
  });
}

async function namespaceOf(client: Kubectl, pod: string): Promise<string> {
  const names = "jsonpath={.items[0].metadata.namespace}";
  const args = ["get", "pods", "-A", "--field-selector", `metadata.name=${pod}`, "-o", names];
  return (await kubectl(client, args)).out;
}
