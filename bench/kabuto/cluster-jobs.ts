import { type Kubectl, kubectl, samePod } from "../kubectl.ts";
import { onCluster } from "../on-cluster.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { KabutoClient } from "./client.ts";
import { submitMany } from "./submit-many.ts";

const PIPELINES = Math.max(4, scaled(16));
const JOBS = 4;
const AT_ONCE = 4;
const ROUNDS = scaled(3);

type Pod = Parameters<typeof samePod>[0];
type Container = { volumeMounts?: unknown; command?: unknown; args?: unknown };

/** Short jobs in pipelines on a cluster, four at once, against as many pods by `kubectl`, four at once. */
export function measureClusterJobs(): Promise<Row[]> {
  return onCluster(async ({ kubectl: client, stack }) => {
    const bench = await stack();
    try {
      return await measure(await KabutoClient.open(bench), client);
    } finally {
      await bench.stop();
    }
  });
}

async function measure(kabuto: KabutoClient, client: Kubectl): Promise<Row[]> {
  const like = await podOfJob(kabuto, client);
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await submitMany(kabuto, { pipelines: PIPELINES, jobs: JOBS }));
    const names = Array.from({ length: PIPELINES * JOBS }, (_, n) => `bench-${round}-${n}`);
    const begin = performance.now();
    const left = names.values();
    const work = async () => {
      for (const name of left) await runPod(client, like, name);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    peer.push((names.length / (performance.now() - begin)) * 1000);
  }
  return [
    {
      what: `${PIPELINES * JOBS} short jobs in ${PIPELINES} pipelines on Kubernetes, four at once`,
      ours: `${median(ours).toFixed(2)}/s`,
      peer: `kubectl apply, wait, delete, four at once: ${median(peer).toFixed(2)}/s`,
      ratio: median(ours) / median(peer),
      goal: { atLeast: 0.85 },
    },
  ];
}

/** The pod of a job as the agent makes it, without what belongs to that one job. */
async function podOfJob(kabuto: KabutoClient, client: Kubectl): Promise<Pod> {
  const job = await kabuto.run("sleep 600");
  await kabuto.running(job);
  const found = await kubectl(client, ["get", "pods", "-A", "-l", "perigee.run", "-o", "json"]);
  const pods = (JSON.parse(found.out) as { items: Pod[] }).items;
  const pod = pods.find(({ spec }) => JSON.stringify(spec).includes("sleep 600"));
  if (!pod) throw new Error("the job's pod is not found");
  await kabuto.kill(job);
  const { volumes: _, ...spec } = pod.spec as { volumes?: unknown; containers: Container[] };
  const containers = spec.containers.map(({ volumeMounts: _, ...container }) => ({
    ...container,
    command: ["sh", "-c", "true"],
    args: [],
  }));
  return { ...pod, spec: { ...spec, containers } };
}

async function runPod(client: Kubectl, like: Pod, name: string): Promise<void> {
  const of = ["-n", like.metadata.namespace];
  await kubectl(client, ["apply", "-f", "-"], samePod(like, name));
  const until = ["--for", "jsonpath={.status.phase}=Succeeded", "--timeout", "120s"];
  await kubectl(client, [...of, "wait", `pod/${name}`, ...until]);
  await kubectl(client, [...of, "delete", "pod", name, "--grace-period", "1"]);
}
