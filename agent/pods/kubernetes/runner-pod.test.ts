import { describe, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { runnerSpec } from "../../runners/runner-spec.ts";
import { NoRunnerNetwork, type RunSpec } from "../pod-runtime.ts";
import type { KubernetesApi } from "./api.ts";
import { clusterRanges } from "./cluster-ranges.ts";
import { KubernetesNames } from "./names.ts";
import { type PodContext, podOf } from "./pod.ts";
import { mappedPorts, portSteps } from "./ports.ts";
import { assertStartable } from "./startable.ts";

const names = new KubernetesNames("instance", "secret", "perigee");
const ID = "7-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0f";
const context: PodContext = {
  names,
  image: "registry:5000/ada-tool@sha256:2",
  workdir: "/",
  entrypoint: ["/bin/sh", "-c"],
  cmd: ["serve"],
  limits: { memory: 256 * MiB, cpus: 1, scratch: 4096 * MiB },
  requests: { memory: 64 * MiB, cpus: 0.05 },
  kind: { labels: { cpu: "yes" }, resources: { "vendor/device": 1 } },
  dns: { address: "10.0.0.10", domain: "cluster.local" },
  nodeLostSeconds: 7,
};

function runner(over: { cpuLimit?: number; networkAccess?: boolean; exposedPorts?: number[] } = {}): RunSpec {
  const spec = {
    ...{ image: "tool", prewarmingPoolSize: 1, cpuLimit: 20, memoryLimit: 100 },
    ...{ networkAccess: false, exposedPorts: null },
    ...over,
  };
  const bounds = {
    memoryBytes: 256 * MiB,
    maxCpus: 2,
    scratchBytes: 1024 * MiB,
    network: "open",
  } as const;
  return runnerSpec(ID, { user: "ada", spec }, "sha256:1", bounds);
}

describe("the pod of a runner", () => {
  test("is found as a runner, in its own namespace, and nothing keeps or ends it", () => {
    const { metadata, spec } = podOf(runner(), context);
    expect(metadata).toMatchObject({
      name: ID,
      namespace: names.runnerNamespace("ada"),
      labels: { "perigee.run": ID, "perigee.runner": "", "perigee.network": "none" },
    });
    expect(metadata).not.toHaveProperty("finalizers");
    expect(spec).not.toHaveProperty("activeDeadlineSeconds");
    expect(spec).not.toHaveProperty("schedulingGates");
    expect(spec).toMatchObject({
      ...{ hostname: ID, restartPolicy: "Never", enableServiceLinks: false },
      ...{ automountServiceAccountToken: false, terminationGracePeriodSeconds: 1 },
      dnsConfig: { nameservers: ["127.0.0.1"] },
    });
    expect(names.runOf({ ...metadata, uid: "", resourceVersion: "" })).toBe(ID);
  });

  test("is process 1 as root without more rights than a pod, and without devices or volumes", () => {
    const { spec } = podOf(runner(), context) as unknown as {
      spec: { containers: [Record<string, unknown>]; volumes: { name: string }[] };
    };
    const [container] = spec.containers;
    expect(container).toMatchObject({
      name: "payload",
      command: runner().command,
      workingDir: "/workspace",
      securityContext: { runAsUser: 0, allowPrivilegeEscalation: false, privileged: false },
      resources: {
        requests: { cpu: "20m", memory: String(64 * MiB), "ephemeral-storage": String(64 * MiB) },
        limits: { cpu: "2000m", memory: String(100 * MiB), "ephemeral-storage": String(1024 * MiB) },
      },
    });
    expect(container).not.toHaveProperty("args");
    expect(container).not.toHaveProperty("lifecycle");
    expect(JSON.stringify(container)).not.toContain("vendor/device");
    expect(spec.volumes.map(({ name }) => name)).toEqual(["node-files"]);
  });

  test("that asked for no share reserves what every pod does", () => {
    const { spec } = podOf(runner({ cpuLimit: 0 }), context);
    expect(spec).toMatchObject({ containers: [{ resources: { requests: { cpu: "50m" } } }] });
  });

  test("with a network asks the operator's resolvers, and for nothing of the cluster", () => {
    const open = runner({ networkAccess: true });
    expect(podOf(open, { ...context, open: { dns: ["9.9.9.9"] } })).toMatchObject({
      metadata: { labels: { "perigee.network": "open" } },
      spec: { dnsConfig: { nameservers: ["9.9.9.9"], searches: [] } },
    });
  });

  test("may name a bound of processes, which a pod may not", () => {
    expect(() => assertStartable(runner())).not.toThrow();
    expect(() => assertStartable({ mounts: [], limits: { pids: 512 } })).toThrow("processes");
  });
});

test("ports of a runner are a service on the nodes that goes with the pod, open to all", () => {
  const pod = { name: ID, uid: "u", resourceVersion: "1" };
  const [policy, service] = portSteps(names, runner({ networkAccess: true, exposedPorts: [80] }), pod);
  expect(policy?.object).toMatchObject({
    metadata: { ownerReferences: [{ name: ID, uid: "u" }] },
    spec: { ingress: [{ ports: [{ protocol: "TCP", port: 80 }] }] },
  });
  expect(JSON.stringify(policy)).not.toContain('"from"');
  expect(service?.object).toMatchObject({ metadata: { name: `runner-${ID}` }, spec: { type: "NodePort" } });
  expect(portSteps(names, runner({ exposedPorts: [80] }), pod)).toEqual([]);
  const told = { spec: { ports: [{ port: 80, nodePort: 30_001 }, { port: 81 }] } };
  expect(mappedPorts(told, "192.0.2.1")).toEqual([{ exposedPort: 80, hostAddress: "192.0.2.1:30001" }]);
});

describe("what is the cluster's", () => {
  const nodes = [
    {
      metadata: { name: "a" },
      spec: { podCIDRs: ["203.0.113.0/24", "fd00::/64"] },
      status: { addresses: [{ type: "Hostname", address: "a" }, { type: "ExternalIP", address: "198.51.100.4" }] },
    },
  ];
  const api = (call: () => Promise<unknown>) =>
    ({ list: async () => ({ items: nodes }), call }) as unknown as KubernetesApi;

  test("nodes, pods' ranges, the API server, and where ports are reached", async () => {
    const slice = async () => ({ endpoints: [{ addresses: ["192.0.2.9"] }] });
    expect(await clusterRanges(api(slice), "198.51.100.7")).toEqual([
      "192.0.2.9",
      "198.51.100.4",
      "198.51.100.7",
      "203.0.113.0/24",
    ]);
  });

  test("no network where it is not told", async () => {
    const refused = async () => {
      throw new Error("forbidden");
    };
    await expect(clusterRanges(api(refused))).rejects.toBeInstanceOf(NoRunnerNetwork);
  });
});
