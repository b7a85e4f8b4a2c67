import { setTimeout as sleep } from "node:timers/promises";
import { BASE_IMAGE } from "../scripts/ensure-base-image.ts";
import { type BenchStack, podState } from "./bench-stack.ts";
import { type Kubectl, kubectl, samePod } from "./kubectl.ts";
import { median, type Row } from "./table.ts";

const ROUNDS = 9;
const POLL_MS = 20;
/** Ends at once when asked to, so that nobody waits for its grace. */
const COMMAND = "trap 'exit 0' TERM; sleep 600 & wait";

/** `pod/run` until the status says `running`, against `kubectl apply` of the same pod until it says Running. */
export async function measureClusterStart(bench: BenchStack, client: Kubectl): Promise<Row[]> {
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS + 1; round++) {
    const pod = `start-${round}`;
    // One volume for all, as the peer has: only the first makes it.
    const took = await runPod(bench, pod);
    const found = await kubectl(client, ["get", "pods", "-A", "-l", `perigee.pod=${pod}`, "-o", "json"]);
    const [like] = JSON.parse(found.out).items;
    await bench.post("/em/pod/stop", { pod_name: pod });
    const against = await applyPod(client, samePod(like, pod), like.metadata.namespace, pod);
    if (round === 0) continue;
    ours.push(took);
    peer.push(against);
  }
  return [
    {
      what: "pod/run until running, on Kubernetes",
      ours: `${median(ours).toFixed(0)} ms`,
      peer: `kubectl apply, wait: ${median(peer).toFixed(0)} ms`,
      ratio: median(ours) / median(peer),
      goal: { below: 1.15 },
    },
  ];
}

async function runPod(bench: BenchStack, pod: string): Promise<number> {
  const begin = performance.now();
  const fields = { image: BASE_IMAGE, node: "MPU", max_duration: "10", command: COMMAND };
  await bench.post("/em/pod/run", { ...fields, pod_name: pod, pvc_name: "bench" });
  for (;;) {
    const state = await podState(bench, pod);
    if (state.terminated) throw new Error(`the pod ended: ${JSON.stringify(state)}`);
    if (state.running) return performance.now() - begin;
    await sleep(POLL_MS);
  }
}

async function applyPod(client: Kubectl, pod: object, namespace: string, name: string): Promise<number> {
  const begin = performance.now();
  await kubectl(client, ["apply", "-f", "-"], pod);
  const until = ["--for", "jsonpath={.status.phase}=Running", "--timeout", "60s"];
  await kubectl(client, ["-n", namespace, "wait", `pod/${name}`, ...until]);
  const took = performance.now() - begin;
  await kubectl(client, ["-n", namespace, "delete", "pod", name, "--grace-period", "1"]);
  return took;
}
