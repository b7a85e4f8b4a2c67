import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ulid } from "ulid";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import type { KubernetesConfig } from "#agent/pods/kubernetes/config.ts";
import { KubernetesRuntime } from "#agent/pods/kubernetes/runtime.ts";
import { PodManager } from "#agent/pods/pod-manager.ts";
import { Runtimes } from "#agent/pods/runtimes.ts";
import { MiB } from "#protocol/limits.ts";
import { type Kubectl, kubectl, samePod } from "./kubectl.ts";
import type { Row } from "./table.ts";

const PODS = 50;
/** of them at the same time, on both sides */
const AT_ONCE = 10;

export type ManyPodsParts = {
  config: KubernetesConfig;
  image: { id: string; reference: string };
  kubectl: Kubectl;
  scratch: string;
};

type Used = { cpuMs: number; requests: number };

/**
 * 50 pods started, watched to their end, their logs read, removed: the pod manager's processor time and its
 * requests to the API server, against kubectl doing the same.
 */
export async function measureManyPods(parts: ManyPodsParts): Promise<Row[]> {
  const { used: ours, like } = await withManager(parts);
  const peer = await withKubectl(parts.kubectl, like);
  const row = (what: string, unit: string, a: number, b: number): Row => ({
    what: `${what} a pod, of ${PODS}`,
    ours: `${(a / PODS).toFixed(1)} ${unit}`,
    peer: `kubectl: ${(b / PODS).toFixed(1)} ${unit}`,
    ratio: a / b,
  });
  return [
    row("agent's processor time", "ms", ours.cpuMs, peer.cpuMs),
    row("API requests", "", ours.requests, peer.requests),
  ];
}

type LikePod = Parameters<typeof samePod>[0];

async function withManager(parts: ManyPodsParts): Promise<{ used: Used; like: LikePod }> {
  const { config, image, scratch } = parts;
  const api = await KubernetesApi.open({ kubeconfig: parts.kubectl.kubeconfig });
  const volumes = join(scratch, "volumes");
  const volumePath = join(volumes, "bench");
  mkdirSync(volumePath, { recursive: true });
  const instance = `b${ulid().slice(-10).toLowerCase()}`;
  const runtime = new KubernetesRuntime({
    api,
    instance,
    kinds: config.kinds,
    dns: config.dns,
    limits: { memory: 64 * MiB, cpus: 1, scratch: 64 * MiB },
    requests: { memory: 8 * MiB, cpus: 0.01 },
    quota: { pods: 100 },
    storage: { kind: "shared", agentPath: volumes, nodePath: volumes },
    images: { reference: async () => image.reference },
    workdir: async () => "",
  });
  const db = new DatabaseSync(":memory:");
  const manager = new PodManager(
    {
      db,
      runtimes: new Runtimes(runtime),
      resolveImage: async () => ({ id: image.id }),
      push: async () => "nobody",
    },
    { runningPerUser: PODS },
  );
  manager.start();
  try {
    const input = {
      mounts: [{ volume: "bench", at: "/data" }],
      image: "busybox",
      kind: "MPU" as const,
      onSameName: "replace" as const,
      maxMs: 600_000,
      network: "user" as const,
      ports: [],
      envs: {},
    };
    const run = async (pod: string) => {
      const id = ulid();
      const command = ["/bin/sh", "-c", "echo up; sleep 1"];
      manager.accept({
        id,
        user: "bench",
        volumes: { bench: volumePath },
        input: { ...input, pod, command },
      });
      await new Promise<void>((resolve) => {
        const end = manager.onChange((report) => {
          if (report.run !== id || !("terminated" in report.state)) return;
          if (report.state.terminated.exitCode !== 0) console.error(report.state);
          end();
          resolve();
        });
      });
    };
    await run("first");
    const before = { cpu: process.cpuUsage(), requests: total(api) };
    await inTurns(PODS, (n) => run(`pod-${n}`));
    while ((await runtime.list()).length > 0) await new Promise((resolve) => setTimeout(resolve, 200));
    const { user, system } = process.cpuUsage(before.cpu);
    const used = { cpuMs: (user + system) / 1000, requests: total(api) - before.requests };
    // Kept for the peer to copy: one that runs.
    const id = ulid();
    manager.accept({
      id,
      user: "bench",
      volumes: { bench: volumePath },
      input: { ...input, pod: "like", command: ["/bin/sh", "-c", "echo up; sleep 1"] },
    });
    let like: LikePod | undefined;
    while (!like) {
      const path = "/api/v1/pods";
      like = (await api.list<LikePod>(path, { labelSelector: `perigee.run=${id}` })).items[0];
    }
    return { used, like };
  } finally {
    await manager.close();
    await runtime.close();
    db.close();
  }
}

async function withKubectl(client: Kubectl, like: LikePod): Promise<Used> {
  let requests = 0;
  const call = async (args: string[], input?: object) => {
    const { err } = await kubectl(client, ["-v=6", "-n", like.metadata.namespace, ...args], input);
    requests += err.match(/"Response" verb=/g)?.length ?? 0;
  };
  const before = childrensCpuMs();
  await inTurns(PODS, async (n) => {
    const name = `kubectl-${n}`;
    await call(["apply", "-f", "-"], samePod(like, name));
    await call(["wait", `pod/${name}`, "--for", "jsonpath={.status.phase}=Succeeded", "--timeout", "120s"]);
    await call(["logs", name]);
    await call(["delete", "pod", name]);
  });
  return { cpuMs: childrensCpuMs() - before, requests };
}

/** Processor time of all children that have ended. */
function childrensCpuMs(): number {
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  // cutime and cstime, in ticks of 10 ms
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

/** Does `work` for 0 to n - 1, so many at a time. */
async function inTurns(n: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < n) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

function total(api: KubernetesApi): number {
  return [...api.counts.values()].reduce((sum, count) => sum + count, 0);
}
