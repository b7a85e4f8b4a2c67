import { describe, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import type { RunSpec } from "../pod-runtime.ts";
import { kubernetesConfig } from "./config.ts";
import { KubernetesNames } from "./names.ts";
import { type ClusterDns, namespaceSteps, nodePathOf, type UserQuota, volumeSteps } from "./namespace.ts";
import { type PodContext, podOf } from "./pod.ts";
import { nameStep, portSteps } from "./ports.ts";

const names = new KubernetesNames("instance", "secret", "perigee");
const spec: RunSpec = {
  run: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
  user: "ada",
  pod: "server",
  mounts: [{ volume: "work", path: "/agent/volumes/ada/work", at: "/data" }],
  network: "user",
  defaultWorkdir: "/data",
  imageId: "sha256:1",
  node: "",
  kind: "GPU",
  command: ["/tool", "$(HOME)"],
  ports: [80, 8080, 80],
  envs: { A: "$(B)", KUBERNETES_SERVICE_HOST: "mine" },
  maxMs: 60_000,
  graceMs: 30_000,
};
const context: PodContext = {
  names,
  image: "registry:5000/ada-tool@sha256:2",
  workdir: "/",
  entrypoint: [],
  cmd: [],
  limits: { memory: 64 * MiB, cpus: 0.5, scratch: MiB },
  requests: { memory: 128 * MiB, cpus: 0.05 },
  kind: { labels: { gpu: "yes" }, resources: { "nvidia.com/gpu": 1 } },
  dns: { address: "10.0.0.10", domain: "cluster.local" },
  nodeLostSeconds: 7,
};
type Spec = Record<string, unknown> & { containers: Record<string, unknown>[] };
const specOf = (over: Partial<RunSpec> = {}, other: Partial<PodContext> = {}) =>
  podOf({ ...spec, ...over }, { ...context, ...other }).spec as Spec;

describe("the pod of a run", () => {
  test("is named by the run, never restarted, and kept until it was looked at", () => {
    const pod = podOf(spec, context);
    expect(pod.metadata).toMatchObject({
      name: "01arz3ndektsv4rrffq69g5fav",
      finalizers: ["perigee.internal/run"],
      labels: {
        "perigee.instance": "instance",
        "perigee.user": "ada",
        "perigee.pod": "server",
        "perigee.run": spec.run,
      },
    });
    expect(pod.spec).toMatchObject({
      hostname: "server",
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 30,
      activeDeadlineSeconds: 60 + 1800,
      nodeSelector: { gpu: "yes" },
    });
  });

  test("reserves no more than it may use, and its devices", () => {
    expect(specOf().containers[0]?.resources).toEqual({
      requests: {
        cpu: "50m",
        memory: String(64 * MiB),
        "ephemeral-storage": String(MiB),
        "nvidia.com/gpu": 1,
      },
      limits: {
        cpu: "500m",
        memory: String(64 * MiB),
        "ephemeral-storage": String(MiB),
        "nvidia.com/gpu": 1,
      },
    });
  });

  test("reserves little of what it may write: a node holds more pods than their scratch would fill", () => {
    const limits = { ...context.limits, scratch: 4096 * MiB };
    expect(specOf({}, { limits }).containers[0]?.resources).toMatchObject({
      requests: { "ephemeral-storage": String(64 * MiB) },
      limits: { "ephemeral-storage": String(4096 * MiB) },
    });
  });

  test("a shell ends with what it runs, and that hears of a stop first", () => {
    const [container] = specOf({ command: ["/bin/sh", "-c", "a > b"], args: [] }).containers as unknown as [
      { command: string[]; args?: string[]; lifecycle?: unknown },
    ];
    expect(container.command.slice(0, 2)).toEqual(["/bin/sh", "-c"]);
    expect(container.command[2]).toMatch(/^trap '.*' TERM; a > b$/);
    expect(container.lifecycle).toEqual({
      preStop: { exec: { command: ["/bin/sh", "-c", expect.stringMatching(/^kill -s TERM 1; /)] } },
    });
    const [plain] = specOf().containers as [{ lifecycle?: unknown }];
    expect(plain.lifecycle).toBeUndefined();
  });

  test("the same for a shell that the image names, with its CMD or the run's arguments in its place", () => {
    type Container = { command?: string[]; args?: string[]; lifecycle?: unknown };
    const of = (over: Partial<RunSpec>, image: Partial<PodContext>) =>
      specOf({ command: undefined, ...over }, image).containers[0] as Container;
    const cmd = of({}, { cmd: ["/bin/sh", "-c", "a > b"] });
    expect(cmd.command?.[2]).toMatch(/; a > b$/);
    expect(cmd.lifecycle).toBeDefined();
    const args = of({ args: ["c > d"] }, { entrypoint: ["sh", "-c"], cmd: ["a > b"] });
    expect(args.command?.[2]).toMatch(/; c > d$/);
    expect(args.args).toBeUndefined();
    const tool = of({ args: ["x"] }, { entrypoint: ["/tool"], cmd: ["/bin/sh", "-c", "a > b"] });
    expect(tool).toMatchObject({ args: ["x"] });
    expect([tool.command, tool.lifecycle]).toEqual([undefined, undefined]);
  });

  test("nothing of a payload's words is put in by Kubernetes; its own settings win over ours", () => {
    const { command, env } = specOf().containers[0] as {
      command: string[];
      env: { name: string; value: string }[];
    };
    expect(command).toEqual(["/tool", "$$(HOME)"]);
    const values = new Map(env.map(({ name, value }) => [name, value]));
    expect(values.get("A")).toBe("$$(B)");
    expect(values.get("KUBERNETES_SERVICE_HOST")).toBe("mine");
    expect(values.get("KUBERNETES_PORT")).toBe("");
  });

  test.each([
    ["", "/data"],
    ["/", "/data"],
    ["/srv", undefined],
  ])("an image whose WORKDIR is %j runs in %s", (workdir, dir) => {
    expect(specOf({}, { workdir }).containers[0]?.workingDir).toBe(dir);
  });

  test("mounts the user's volume, and files of a few bytes in the place of the node's", () => {
    const { containers, volumes } = specOf();
    const file = (subPath: string, mountPath: string) => ({
      name: "node-files",
      subPath,
      mountPath,
      readOnly: true,
    });
    expect(containers[0]?.volumeMounts).toEqual([
      { name: "data", mountPath: "/data" },
      file("hostname", "/etc/hostname"),
      file("resolv.conf", "/etc/resolv.conf"),
      file("message", "/.perigee/up/message"),
    ]);
    expect(containers[0]?.terminationMessagePath).toBe("/.perigee/message");
    expect(volumes).toMatchObject([
      { name: "data", persistentVolumeClaim: { claimName: "work" } },
      { name: "node-files", downwardAPI: { defaultMode: 0o444 } },
    ]);
    expect(podOf(spec, context).metadata.annotations).toEqual({
      "perigee.internal/file-hostname": "server\n",
      "perigee.internal/file-resolv.conf": `search ${names.namespace("ada")}.svc.cluster.local\nnameserver 10.0.0.10\noptions ndots:1\n`,
    });
  });

  test("asks for names where it is told to, in its own namespace", () => {
    expect(specOf()).toMatchObject({
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["10.0.0.10"], searches: [`${names.namespace("ada")}.svc.cluster.local`] },
    });
    // Never the cluster's own.
    expect(specOf({}, { dns: { domain: "cluster.local" } })).toMatchObject({
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["127.0.0.1"] },
    });
  });
});

describe("what a run asks for beside the usual", () => {
  test("several volumes and parts of them, by one claim each", () => {
    const at = (volume: string, place: string, over = {}) => ({ volume, path: "/v", at: place, ...over });
    const mounts = [
      at("work", "/data"),
      at("in", "/in", { readOnly: true }),
      at("work", "/out", { subPath: "a/b" }),
    ];
    const { containers, volumes } = specOf({ mounts }) as Spec & { volumes: object[] };
    expect(volumes.slice(0, 2)).toEqual([
      { name: "data", persistentVolumeClaim: { claimName: "work" } },
      { name: "data-1", persistentVolumeClaim: { claimName: "in" } },
    ]);
    expect((containers[0]!.volumeMounts as object[]).slice(0, 3)).toEqual([
      { name: "data", mountPath: "/data" },
      { name: "data-1", mountPath: "/in", readOnly: true },
      { name: "data", mountPath: "/out", subPath: "a/b" },
    ]);
    expect(specOf({ mounts: [] }).volumes).toHaveLength(1);
  });

  test("no end of its own, one node, another working directory or its image's", () => {
    expect(specOf({ maxMs: undefined })).not.toHaveProperty("activeDeadlineSeconds");
    expect(JSON.stringify(specOf({ pinned: true, node: "n1" }).affinity)).toContain(
      '{"key":"metadata.name","operator":"In","values":["n1"]}',
    );
    expect(specOf()).not.toHaveProperty("affinity");
    expect(specOf({ defaultWorkdir: "/work" }).containers[0]).toMatchObject({ workingDir: "/work" });
    expect(specOf({ defaultWorkdir: undefined }).containers[0]).not.toHaveProperty("workingDir");
  });

  test("less than every pod may have, and never more", () => {
    const limitsOf = (limits: RunSpec["limits"]) => specOf({ limits }).containers[0]?.resources;
    expect(limitsOf({ memoryBytes: 8 * MiB, cpus: 0.01 })).toMatchObject({
      limits: { memory: String(8 * MiB), cpu: "10m" },
      requests: { memory: String(8 * MiB), cpu: "10m" },
    });
    expect(limitsOf({ memoryBytes: 1024 * MiB, cpus: 9 })).toEqual(limitsOf(undefined));
  });

  test("no network: no policy lets it speak or be spoken to, and it asks nobody for names", () => {
    const silent = podOf({ ...spec, network: "none" }, context);
    expect(silent.metadata.labels).toMatchObject({ "perigee.network": "none" });
    expect(silent.spec).toMatchObject({ dnsConfig: { nameservers: ["127.0.0.1"] } });
    expect(portSteps(names, { ...spec, network: "none" }, silent.metadata as never)).toEqual([]);
    const dns = { ...context.dns, namespace: "kube-system", labels: {} };
    const policies = namespaceSteps(names, "ada", { quota: { pods: 3 }, dns, limits: context.limits })
      .map(({ object }) => object)
      .filter(({ kind }) => kind === "NetworkPolicy");
    expect(
      policies.map(({ metadata, spec }) => [metadata.name, (spec as { podSelector: object }).podSelector]),
    ).toEqual([
      ["closed", { matchExpressions: [{ key: "perigee.network", operator: "NotIn", values: ["none"] }] }],
      ["silent", { matchLabels: { "perigee.network": "none" } }],
    ]);
    expect(policies[1]?.spec).not.toHaveProperty("egress");
    expect(policies[1]?.spec).not.toHaveProperty("ingress");
  });
});

describe("what a user's pods share", () => {
  const dns = { ...context.dns, namespace: "kube-system", labels: { app: "dns" } };

  test("the longest names fit, and another secret gives others", () => {
    const user = "u".repeat(32);
    expect(names.namespace(user)).toMatch(/^[a-z0-9-]{1,63}$/);
    expect(names.persistentVolume(user, "v".repeat(63)).length).toBeLessThanOrEqual(253);
    expect(names.namespace("ada")).not.toBe(
      new KubernetesNames("instance", "other", "perigee").namespace("ada"),
    );
    expect(names.namespace("ada").slice(-16)).not.toBe(names.namespace("bob").slice(-16));
  });

  test("the namespace comes first, then all that closes it", () => {
    const steps = namespaceSteps(names, "ada", { quota: { pods: 3 }, dns, limits: context.limits });
    expect(steps.map(({ object }) => object.kind)).toEqual([
      "Namespace",
      "NetworkPolicy",
      "ServiceAccount",
      "ResourceQuota",
      "LimitRange",
      "NetworkPolicy",
    ]);
    expect(steps[1]?.object.spec).toMatchObject({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    expect(steps[1]?.object.spec).not.toHaveProperty("ingress");
    expect(steps[3]?.object.spec).toMatchObject({ hard: { pods: "3", "limits.cpu": "1.5" } });
  });

  test("devices are bounded as the quota says, and the others by the pods alone", () => {
    const hardOf = (quota: UserQuota) =>
      namespaceSteps(names, "ada", { quota, dns, limits: context.limits })[3]!.object.spec as {
        hard: object;
      };
    const { quota } = kubernetesConfig.parse({
      quota: { resources: { "nvidia.com/gpu": 2, "x.org/none": 0 } },
    });
    expect(hardOf(quota).hard).toMatchObject({ "requests.nvidia.com/gpu": "2", "requests.x.org/none": "0" });
    expect(JSON.stringify(hardOf(kubernetesConfig.parse({}).quota))).not.toContain("requests.");
  });

  test("names are asked for at one place, and at none when none is configured", () => {
    const egress = (dns: ClusterDns) => {
      const [, closed] = namespaceSteps(names, "ada", { quota: { pods: 3 }, dns, limits: context.limits });
      return (closed!.object.spec as { egress: object[] }).egress;
    };
    const own = { to: [{ podSelector: {} }] };
    const to = [
      { ipBlock: { cidr: "10.0.0.10/32" } },
      {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
        podSelector: { matchLabels: { app: "dns" } },
      },
    ];
    expect(egress(dns)).toEqual([own, expect.objectContaining({ to })]);
    expect(egress({ ...dns, address: undefined })).toEqual([own]);
    expect(JSON.stringify(kubernetesConfig.parse({}).dns)).not.toContain("kube-");
  });

  test("a volume is bound to one claim, on all nodes or on the one that has it", () => {
    const at = { agentPath: "/agent/volumes", nodePath: "/mnt/shared" };
    const [shared, claim] = volumeSteps(names, "ada", spec.mounts[0]!, { kind: "shared", ...at });
    expect(shared.object.spec).toMatchObject({
      hostPath: { path: "/mnt/shared/ada/work", type: "Directory" },
      persistentVolumeReclaimPolicy: "Retain",
      claimRef: { namespace: names.namespace("ada"), name: "work" },
    });
    expect(claim.object.spec).toMatchObject({ volumeName: shared.object.metadata.name });
    const [local] = volumeSteps(names, "ada", spec.mounts[0]!, { kind: "local", node: "node1", ...at });
    expect(JSON.stringify(local.object.spec)).toContain('"values":["node1"]');
    expect(local.object.spec).toMatchObject({ local: { path: "/mnt/shared/ada/work" } });
  });

  test.each(["/agent/other/x", "/agent/volumes2/x", "/"])("a volume at %s is on no node", (path) => {
    expect(() => nodePathOf(path, { agentPath: "/agent/volumes", nodePath: "/n" })).toThrow(/outside/);
  });

  test("a pod with a name of its own has it as its host's name, and a service under it where one can", () => {
    const pod = { name: "p", uid: "u-1", resourceVersion: "1" };
    expect(specOf({ hostname: "mine" })).toMatchObject({ hostname: "mine" });
    expect(nameStep(names, { ...spec, hostname: "mine" }, pod)).toMatchObject({
      path: expect.stringMatching(/\/services\/mine$/),
      object: {
        metadata: { name: "mine", labels: { "perigee.pod": "server" }, ownerReferences: [{ uid: "u-1" }] },
        spec: { selector: { "perigee.run": spec.run }, ports: [{ port: 80 }, { port: 8080 }] },
      },
    });
    for (const over of [{}, { hostname: "1st" }, { hostname: "a", ports: [] }])
      expect(nameStep(names, { ...spec, ...over }, pod)).toBeUndefined();
  });

  test("named ports open for the user's own pods, and go with the pod", () => {
    const pod = { name: "p", uid: "u-1", resourceVersion: "1" };
    const [policy, service] = portSteps(names, spec, pod);
    expect(policy?.object.spec).toMatchObject({
      podSelector: { matchLabels: { "perigee.run": spec.run } },
      ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }, { port: 8080 }] }],
    });
    expect(service?.object).toMatchObject({
      metadata: { name: "server", ownerReferences: [{ uid: "u-1" }] },
      spec: { clusterIP: "None", selector: { "perigee.run": spec.run } },
    });
    expect(portSteps(names, { ...spec, ports: [] }, pod)).toEqual([]);
  });

  test("ports of a pod with an address open for the networks that the operator names, those of others do not", () => {
    const pod = { name: "p", uid: "u-1", resourceVersion: "1" };
    const ingress = (over: Partial<RunSpec>, from: string[]) =>
      portSteps(names, { ...spec, ...over }, pod, from)[0]?.object.spec;
    const blocks = [
      { podSelector: {} },
      { ipBlock: { cidr: "192.0.2.0/24" } },
      { ipBlock: { cidr: "10.0.0.0/8" } },
    ];
    expect(ingress({ address: true }, ["192.0.2.0/24", "10.0.0.0/8"])).toMatchObject({
      ingress: [{ from: blocks, ports: [{ port: 80 }, { port: 8080 }] }],
    });
    for (const closed of [ingress({}, ["192.0.2.0/24"]), ingress({ address: true }, [])]) {
      expect(closed).toMatchObject({ ingress: [{ from: [{ podSelector: {} }] }] });
    }
  });
});
