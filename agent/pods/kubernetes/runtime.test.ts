import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ulid } from "ulid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { FakeCluster } from "#test/support/fake-cluster.ts";
import { ImageMissing, NoRunnerNetwork, NotStartedYet, type RunSpec, StartFailure } from "../pod-runtime.ts";
import { KubernetesRuntime } from "./runtime.ts";
import type { KubernetesRuntimeOptions } from "./runtime-options.ts";

let cluster: FakeCluster;
let missing: Error | undefined;
const runtimes: KubernetesRuntime[] = [];
beforeEach(async () => {
  cluster = await FakeCluster.start();
  cluster.created = (pod) => cluster.run(pod);
});
afterEach(async () => {
  for (const runtime of runtimes.splice(0)) await runtime.close();
  await cluster.close();
});

async function open(options: Partial<KubernetesRuntimeOptions> = {}): Promise<KubernetesRuntime> {
  const { directory } = cluster;
  const runtime = new KubernetesRuntime({
    api: await cluster.api(),
    instance: "test",
    kinds: { MPU: { labels: { kind: "mpu" } } },
    limits: { memory: 64 * MiB, cpus: 1, scratch: 64 * MiB },
    requests: { memory: 8 * MiB, cpus: 0.01 },
    quota: { pods: 8 },
    dns: { domain: "cluster.local", namespace: "dns", labels: {} },
    storage: { kind: "shared", agentPath: directory, nodePath: directory },
    images: { reference: async () => "registry:5000/ada-tool@sha256:1" },
    workdir: async () => "",
    startMs: 200,
    ...options,
  });
  runtimes.push(runtime);
  return runtime;
}

function spec(over: Partial<RunSpec> = {}): RunSpec {
  const volumePath = join(cluster.directory, "default");
  mkdirSync(volumePath, { recursive: true });
  return {
    run: ulid(),
    user: "ada",
    pod: "default",
    mounts: [{ volume: "default", path: volumePath, at: "/data" }],
    network: "user",
    defaultWorkdir: "/data",
    imageId: "sha256:1",
    node: "",
    kind: "MPU",
    ports: [],
    envs: {},
    maxMs: 3600_000,
    graceMs: 1_000,
    ...over,
  };
}

/** By force, as the cluster's garbage collector does it, or an operator. */
const forced = (run: string) =>
  cluster.change(run, ({ metadata }) => {
    metadata.deletionTimestamp = new Date().toISOString();
    metadata.deletionGracePeriodSeconds = 0;
  });

describe("a pod that was deleted by force", () => {
  test.each<["its node is gone" | "its node is out of reach", "Unknown" | undefined]>([
    ["its node is gone", undefined],
    ["its node is out of reach", "Unknown"],
  ])("and %s: NodeLost, though its last word was that it runs, and it can be removed", async (_, ready) => {
    const runtime = await open();
    const run = spec();
    await runtime.start(run);
    cluster.node("node1", ready);
    forced(run.run);
    expect(await runtime.inspect(run.run)).toMatchObject({ terminated: { reason: "NodeLost" } });
    expect(await runtime.list()).toEqual([expect.objectContaining({ run: run.run, phase: "ended" })]);
    await runtime.stop(run.run, 0);
    await runtime.remove(run.run);
    expect(cluster.has(run.run)).toBe(false);
  });

  test("and its node is there: it runs until its node says that it ended", async () => {
    const runtime = await open();
    const run = spec();
    await runtime.start(run);
    forced(run.run);
    expect(await runtime.inspect(run.run)).toHaveProperty("running");
    const stopped = runtime.stop(run.run, 0);
    await cluster.heard(/^DELETE .*\/pods\//);
    cluster.change(run.run, (pod) => cluster.end(pod, 137));
    await stopped;
    expect(await runtime.inspect(run.run)).toMatchObject({ terminated: { reason: "Error", exitCode: 137 } });
  });
});

describe("a node that is out of reach for a moment", () => {
  test("ends no run: a stop goes on until the node says so, or is given up", async () => {
    const runtime = await open({ settleMs: 100, nodeLostSeconds: 3600 });
    const run = spec();
    await runtime.start(run);
    cluster.node("node1", "Unknown");
    await expect(runtime.stop(run.run, 0)).rejects.toThrow("does not end");
    await expect(runtime.stop(run.run, 0)).rejects.toThrow("does not end");
    expect(await runtime.inspect(run.run)).toHaveProperty("running");
    expect(await runtime.list()).toEqual([expect.objectContaining({ phase: "running" })]);
    cluster.node("node1", "True");
    cluster.change(run.run, (pod) => cluster.end(pod, 143));
    await runtime.stop(run.run, 0);
    expect(await runtime.inspect(run.run)).toMatchObject({ terminated: { reason: "Error", exitCode: 143 } });
  });

  test("given up, it has lost the run", async () => {
    const runtime = await open({ settleMs: 100, nodeLostSeconds: 0.2 });
    const run = spec();
    await runtime.start(run);
    cluster.node("node1", "Unknown");
    await expect(runtime.stop(run.run, 0)).rejects.toThrow("does not end");
    let state = await runtime.inspect(run.run);
    while (state && "running" in state) state = await runtime.inspect(run.run);
    expect(state).toMatchObject({ terminated: { reason: "NodeLost" } });
    await runtime.stop(run.run, 0);
  });
});

test("a start says when the container started, by its node's clock", async () => {
  const runtime = await open();
  cluster.created = (pod) => cluster.run(pod, "2026-01-02T03:04:05Z");
  const started = { node: "node1", startedAt: Date.parse("2026-01-02T03:04:05Z") };
  expect(await runtime.start(spec())).toEqual(started);
});

describe("a start of a run whose pod is there", () => {
  test.each<[string, () => void]>([
    ["its image", () => (missing = new ImageMissing("sha256:1"))],
    ["its volume", () => rmSync(join(cluster.directory, "default"), { recursive: true })],
    ["its registry", () => (missing = new Error("no registry"))],
  ])("goes on though %s is gone meanwhile", async (_, lose) => {
    cluster.created = () => undefined;
    missing = undefined;
    const reference = async () => {
      if (missing) throw missing;
      return "registry:5000/ada-tool@sha256:1";
    };
    const runtime = await open({ images: { reference } });
    const run = spec();
    await expect(runtime.start(run)).rejects.toBeInstanceOf(NotStartedYet);
    lose();
    await expect(runtime.start(run)).rejects.toBeInstanceOf(NotStartedYet);
    cluster.change(run.run, (pod) => cluster.run(pod));
    expect(await runtime.start(run)).toMatchObject({ node: "node1" });
    expect(cluster.asked(/^POST .*\/pods$/)).toHaveLength(1);
  });
});

test("an image that a node failed to pull is looked for in whole when the start is tried again", async () => {
  cluster.created = (pod) => {
    pod.status = { containerStatuses: [{ state: { waiting: { reason: "ErrImagePull" } } }] };
  };
  const doubts: (boolean | undefined)[] = [];
  const reference = async (_: object, doubted?: boolean) => {
    doubts.push(doubted);
    return "registry:5000/ada-tool@sha256:1";
  };
  const runtime = await open({ images: { reference } });
  const run = spec();
  for (let i = 0; i < 2; i++)
    await expect(runtime.start(run)).rejects.toMatchObject({ reason: "ImagePullBackOff" });
  expect(doubts).toEqual([undefined, true]);
});

describe("a pod with ports", () => {
  const isOfPorts = (method: string, path: string) =>
    method === "PATCH" && /\/(?:services|networkpolicies)\/(?:pod-)?default$/.test(path);
  beforeEach(() => {
    cluster.created = () => undefined;
  });

  test("goes to its node when they are open, and not before", async () => {
    const runtime = await open();
    const run = spec({ ports: [8080] });
    cluster.fault = (method, path) => (isOfPorts(method, path) ? 500 : undefined);
    await expect(runtime.start(run)).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    expect(cluster.pod(run.run).spec.schedulingGates).toHaveLength(1);
    expect(await runtime.inspect(run.run)).toEqual({ waiting: { reason: "ContainerCreating" } });
    cluster.fault = undefined;
    await expect(runtime.start(run)).rejects.toBeInstanceOf(NotStartedYet);
    expect(cluster.pod(run.run).spec.schedulingGates ?? []).toEqual([]);
    const order = cluster.asked(/^PATCH .*\/(?:pods|services)\//).map((line) => line.split("/").at(-2));
    expect(order.slice(-2)).toEqual(["services", "pods"]);
  });

  test.each([
    [422, "Service is invalid"],
    [413, "Request entity too large: limit is 3145728"],
    [500, "etcdserver: request is too large"],
    [500, "Internal error occurred: failed to allocate a nodePort: range is full"],
  ])(
    "is taken away when they are refused for good (%i %s): StartError, and it never ran",
    async (...refusal) => {
      const runtime = await open();
      const run = spec({ ports: [8080] });
      [, cluster.faultMessage] = refusal;
      cluster.fault = (method, path) => (isOfPorts(method, path) ? refusal[0] : undefined);
      await expect(runtime.start(run)).rejects.toBeInstanceOf(StartFailure);
      expect(cluster.pod(run.run).metadata.deletionTimestamp).toBeDefined();
      await runtime.remove(run.run);
      expect(cluster.has(run.run)).toBe(false);
    },
  );

  test("that runs already, by an earlier version: taken over though they never can be opened", async () => {
    cluster.created = (pod) => cluster.run(pod);
    const runtime = await open();
    const run = spec();
    await runtime.start(run);
    cluster.fault = (method, path) => (isOfPorts(method, path) ? 422 : undefined);
    await runtime.adopt({ ...run, ports: [8080] });
    expect(await runtime.inspect(run.run)).toHaveProperty("running");
  });
});

test("a pod that the cluster never takes: StartError", async () => {
  const runtime = await open();
  cluster.faultMessage = "etcdserver: request is too large";
  cluster.fault = (method, path) => (method === "POST" && path.endsWith("/pods") ? 500 : undefined);
  await expect(runtime.start(spec())).rejects.toBeInstanceOf(StartFailure);
});

describe("a start that was cut short", () => {
  const PORTS = /^PATCH .*\/(?:networkpolicies\/pod-default|services\/default)$/;
  const deadline = (run: string) => cluster.pod(run).spec.activeDeadlineSeconds;

  test("before its ports were open: whoever takes the run up opens them, and sets its deadline", async () => {
    const runtime = await open();
    cluster.fault = (method, path) =>
      method === "PATCH" && /services|pod-default/.test(path) ? 500 : undefined;
    const run = spec({ ports: [8080] });
    await expect(runtime.start(run)).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    cluster.fault = undefined;
    expect(await runtime.inspect(run.run)).toHaveProperty("running");
    cluster.requests.length = 0;
    const before = deadline(run.run) ?? 0;
    await runtime.adopt(run);
    expect(cluster.asked(PORTS)).toHaveLength(2);
    expect(deadline(run.run)).toBeLessThan(before);
    const [service] = [...cluster.objects].filter(([path]) => path.endsWith("/services/default"));
    expect(service?.[1].metadata).toMatchObject({
      ownerReferences: [{ uid: cluster.pod(run.run).metadata.uid }],
    });
    await runtime.adopt(run);
  });

  test("of a run that ended, or that nobody knows: nothing is opened", async () => {
    const runtime = await open();
    const run = spec({ ports: [8080] });
    await runtime.start(run);
    cluster.change(run.run, (pod) => cluster.end(pod));
    cluster.requests.length = 0;
    await runtime.adopt(run);
    await runtime.adopt(spec({ ports: [8080] }));
    expect(cluster.asked(PORTS)).toEqual([]);
  });
});

describe("the log of a run that ended on a node that is out of reach", () => {
  const linesOf = async (runtime: KubernetesRuntime, run: string) => {
    const lines: string[] = [];
    for await (const { text } of runtime.logs(run, { follow: true })) lines.push(`${text}`);
    return lines;
  };

  test("is asked for until the node is given up, and then it has no lines", async () => {
    const runtime = await open({ nodeLostSeconds: 0.2 });
    const run = spec();
    await runtime.start(run);
    cluster.change(run.run, (pod) => cluster.end(pod));
    cluster.node("node1", "Unknown");
    cluster.fault = (_, path) => (path.endsWith("/log") ? 500 : undefined);
    await expect(linesOf(runtime, run.run)).rejects.toThrow();
    const since = performance.now();
    while (performance.now() - since < 200) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await linesOf(runtime, run.run)).toEqual([]);
    expect(await runtime.inspect(run.run)).toMatchObject({ terminated: { reason: "Completed" } });
  });

  test("is there when the node is back", async () => {
    const runtime = await open({ nodeLostSeconds: 3600 });
    const run = spec();
    await runtime.start(run);
    cluster.change(run.run, (pod) => cluster.end(pod));
    cluster.node("node1", "Unknown");
    cluster.fault = (_, path) => (path.endsWith("/log") ? 500 : undefined);
    await expect(linesOf(runtime, run.run)).rejects.toThrow();
    cluster.fault = undefined;
    cluster.log = "2026-01-02T03:04:05.000000000Z hello\n";
    expect(await linesOf(runtime, run.run)).toEqual(["hello"]);
  });
});

describe("a runner", () => {
  const slice = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
  const scratchBytes = 64 * MiB;
  const runners = { most: 4, maxCpus: 1, scratchBytes, open: {} };
  const runner = (n: number, network: "open" | "none" = "open") => {
    const run = `7-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0${n}`;
    return spec({ run, pod: run, mounts: [], network, runner: { cpuMillis: 100, scratchBytes } });
  };
  beforeEach(() => {
    cluster.objects.set(slice, { metadata: { name: "kubernetes", uid: "1", resourceVersion: "1" } });
  });

  test("with a network that waits for a node is asked for again, the cluster for its addresses is not", async () => {
    cluster.created = () => undefined;
    const runtime = await open({ runners, startMs: 20 });
    const asked = () =>
      [/^PATCH .*\/networkpolicies\/open$/, /endpointslices/].map((what) => cluster.asked(what).length);
    for (let n = 0; n < 3; n++) await expect(runtime.start(runner(1))).rejects.toBeInstanceOf(NotStartedYet);
    expect(asked()).toEqual([1, 1]);
    await expect(runtime.start(runner(2))).rejects.toBeInstanceOf(NotStartedYet);
    expect(asked()).toEqual([2, 2]);
  });

  test("keeps its network when another starts while the cluster does not tell its addresses", async () => {
    await (await open({ runners })).start(runner(1));
    const rules = () =>
      [...cluster.objects]
        .filter(([path]) => path.endsWith("/networkpolicies/open"))
        .map(([, { spec }]) => spec);
    expect(rules()).toMatchObject([{ egress: [{ to: [expect.anything()] }] }]);
    const before = rules();
    cluster.fault = (_, path) => (path === slice ? 503 : undefined);
    // the agent has started again
    const runtime = await open({ runners });
    await runtime.start(runner(2, "none"));
    expect(rules()).toEqual(before);
    await expect(runtime.start(runner(3))).rejects.toBeInstanceOf(NoRunnerNetwork);
  });
});
