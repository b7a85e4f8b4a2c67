import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loaderPod } from "#agent/fpga/kubernetes/loader-pod.ts";
import { argsOf } from "#agent/fpga/loader/loader-task.ts";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import { agentKubeconfig } from "./support/agent-kubeconfig.ts";
import { kubectl as admin, type Said } from "./support/kubectl.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { applyLoaderWorld, removeLoaderWorld } from "./support/loader-world.ts";

const AGENT = "system:serviceaccount:perigee-system:perigee-agent";
let rig: KubernetesRig;
let overlay: string;
/** of the agent, with no rights but its own */
let kubeconfig: string;

const agent = (args: string[], input?: string) => admin(["--as", AGENT, ...args], input);
/** Would the server take it? Nothing is changed. */
const create = (object: object) =>
  agent(["create", "--dry-run=server", "-f", "-"], JSON.stringify({ apiVersion: "v1", ...object }));

const LABELS = { "perigee.instance": "someone" };
const BASELINE = { ...LABELS, "pod-security.kubernetes.io/enforce": "baseline" };
const HOME = "perigee-rights-test";
const LOADERS = {
  image: "registry.test:5000/agent@sha256:0123",
  nodes: { "perigee.test/kind": "fpga" },
  root: "/srv/device",
  store: "/srv/store",
};
const pod = (namespace: string, spec: object = {}, labels: object = LABELS) => ({
  kind: "Pod",
  metadata: { name: "p", namespace, labels },
  spec: {
    serviceAccountName: "perigee-pod",
    automountServiceAccountToken: false,
    containers: [{ name: "c", image: "x", resources: {} }],
    ...spec,
  },
});
const volume = (path: string) => ({
  kind: "PersistentVolume",
  metadata: { name: "perigee-rights", labels: LABELS },
  spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteMany"], hostPath: { path } },
});

beforeAll(async () => {
  rig = await KubernetesRig.create();
  const volumes = rig.directory;
  overlay = await applyLoaderWorld(volumes, { ...LOADERS, volumes, agent: {} });
  kubeconfig = await agentKubeconfig(volumes);
  const home = { apiVersion: "v1", kind: "Namespace", metadata: { name: HOME, labels: BASELINE } };
  expect(await admin(["apply", "-f", "-"], JSON.stringify(home))).toMatchObject({ ok: true });
  const account = { kind: "ServiceAccount", metadata: { name: "perigee-pod", namespace: HOME } };
  await admin(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", ...account }));
  // a policy is in force a moment after it was made
  const allowed = volume(`${rig.directory}/ada/default`);
  await rig.until(async () => !(await create(volume("/etc"))).ok && (await create(allowed)).ok);
});
afterAll(async () => {
  await admin(["delete", "--ignore-not-found", "namespace", HOME]);
  if (overlay) await removeLoaderWorld(overlay);
  await rig?.cleanUp();
});

describe("the agent's role", () => {
  test.each([
    ["get", "secrets"],
    ["list", "secrets"],
    ["create", "secrets"],
    ["get", "configmaps"],
    ["create", "pods/exec"],
    ["create", "pods/attach"],
    ["create", "pods/portforward"],
    ["update", "pods/ephemeralcontainers"],
    ["patch", "pods/ephemeralcontainers"],
    ["create", "serviceaccounts/token"],
    ["impersonate", "serviceaccounts"],
    ["delete", "serviceaccounts"],
    ["delete", "networkpolicies.networking.k8s.io"],
    ["delete", "resourcequotas"],
    ["create", "rolebindings.rbac.authorization.k8s.io"],
    ["create", "clusterrolebindings.rbac.authorization.k8s.io"],
    ["bind", "clusterroles.rbac.authorization.k8s.io"],
    ["escalate", "clusterroles.rbac.authorization.k8s.io"],
    ["patch", "clusterroles.rbac.authorization.k8s.io"],
    ["patch", "nodes"],
    ["get", "nodes/proxy"],
    ["create", "deployments.apps"],
    ["create", "daemonsets.apps"],
    ["patch", "validatingadmissionpolicies.admissionregistration.k8s.io"],
    ["delete", "validatingadmissionpolicybindings.admissionregistration.k8s.io"],
  ])("may not %s %s", async (verb, resource) => {
    const [name, sub] = resource.split("/");
    const asked = ["auth", "can-i", verb!, name!, ...(sub ? [`--subresource=${sub}`] : []), "-A"];
    expect(await agent(asked)).toMatchObject({ ok: false, text: expect.stringMatching(/^no\b/) });
  });

  test("is asked about rightly: what it may do is answered with yes", async () => {
    expect(await agent(["auth", "can-i", "create", "pods", "-A"])).toEqual({ ok: true, text: "yes" });
  });

  test("really keeps it from reading a secret", async () => {
    const said = await agent(["-n", "kube-system", "get", "secrets"]);
    expect(said).toMatchObject({ ok: false, text: expect.stringContaining("forbidden") });
  });
});

describe("the admission policy", () => {
  const refused = async (said: Promise<Said>, why: string) =>
    expect(await said).toMatchObject({ ok: false, text: expect.stringContaining(why) });
  const label = (namespace: string) => [
    ...["label", "--dry-run=server", "--overwrite", "namespace"],
    ...[namespace, "perigee.instance=mine"],
  ];

  test("lets through what the agent does", async () => {
    expect(await create(pod(HOME))).toMatchObject({ ok: true });
    expect(await create(volume(`${rig.directory}/ada/default`))).toMatchObject({ ok: true });
    const namespace = { kind: "Namespace", metadata: { name: "perigee-ada-x", labels: BASELINE } };
    expect(await create(namespace)).toMatchObject({ ok: true });
  });

  test("no pod in a namespace of others", async () => {
    for (const namespace of ["kube-system", "default", "perigee-system"]) {
      const said = create(pod(namespace, { serviceAccountName: "default" }));
      await refused(said, "namespaces with the label");
    }
  });

  test("no namespace of others is made its own, changed or deleted", async () => {
    for (const namespace of ["kube-system", "default", "perigee-system"]) {
      await refused(agent(label(namespace)), "touches only what carries the label");
      await refused(agent(["delete", "--dry-run=server", "namespace", namespace]), "");
    }
    const said = await agent(["delete", "--dry-run=server", "namespace", "perigee-system"]);
    expect(said.text).toContain("touches only what carries the label");
  });

  test("no namespace in which anything may run", async () => {
    const labels = { ...LABELS, "pod-security.kubernetes.io/enforce": "privileged" };
    const namespace = (more: object, name = "perigee-ada-x") =>
      create({ kind: "Namespace", metadata: { name, labels: more } });
    await refused(namespace(labels), "baseline of Pod Security");
    await refused(namespace(LABELS), "baseline of Pod Security");
    await refused(namespace(BASELINE, "openshift-ada"), "baseline of Pod Security");
    await refused(namespace({}), "touches only what carries the label");
  });

  test("no pod without a label, with another account or with a token", async () => {
    await refused(create(pod(HOME, {}, {})), "touches only what carries the label");
    await refused(create(pod(HOME, { serviceAccountName: "default" })), "no token");
    await refused(create(pod(HOME, { automountServiceAccountToken: true })), "no token");
  });

  test("no pod with rights on the node", async () => {
    await refused(create(pod(HOME, { hostNetwork: true })), "violates PodSecurity");
    const volumes = [{ name: "v", hostPath: { path: "/" } }];
    await refused(create(pod(HOME, { volumes })), "violates PodSecurity");
  });

  test("no persistent volume outside the volumes", async () => {
    for (const path of ["/etc", "/", `${rig.directory}-else/x`, rig.directory]) {
      await refused(create(volume(path)), "directory of the volumes");
    }
    await refused(create(volume(`${rig.directory}/../etc`)), "must not contain '..'");
  });

  test("no service account but that of the pods", async () => {
    const account = { kind: "ServiceAccount", metadata: { name: "other", namespace: HOME, labels: LABELS } };
    await refused(create(account), "no service account");
  });
});

describe("a loader's pod", () => {
  // biome-ignore lint/suspicious/noExplicitAny: fields of an object, as a test spoils them
  type Fields = Record<string, any>;
  const loader = (): { metadata: Fields; spec: Fields } => {
    const { image, nodes, root, store } = LOADERS;
    const task = { user: "ada", sha256: "ab".repeat(32), payloadAt: 0, payloadBytes: 9, partial: false };
    const args = argsOf({ do: "load", adapter: "xilinx-sysfs", ...task });
    const context = { instance: "someone", image, store, kind: { labels: nodes } };
    return structuredClone(loaderPod({ node: "node1", root }, args, 60, context)) as ReturnType<
      typeof loader
    >;
  };
  let api: KubernetesApi;
  beforeAll(async () => {
    api = await KubernetesApi.open({ kubeconfig });
  });
  afterAll(() => api?.close());
  const made = (pod: object, namespace = "perigee-fpga") =>
    api.call(`/api/v1/namespaces/${namespace}/pods`, {
      ...{ method: "POST", query: { dryRun: "All" }, body: pod },
    });

  test("may be made as the agent makes it, for every task", async () => {
    await made(loader());
    for (const args of [["probe"], argsOf({ do: "current", adapter: "overlay" })]) {
      const pod = loader();
      pod.spec.containers[0].args = args;
      await made(pod);
    }
  });

  const container = (change: (one: Fields) => void) => (spec: Fields) => change(spec.containers[0]);
  const security = (more: object) => container((one) => Object.assign(one.securityContext, more));
  const field = (more: object) => (spec: Fields) => Object.assign(spec, more);
  const ofContainer = (more: object) => container((one) => Object.assign(one, more));
  const volume = (n: number, more: object) => (spec: Fields) => Object.assign(spec.volumes[n], more);
  const mount = (n: number, more: object) => container((one) => Object.assign(one.volumeMounts[n], more));
  const exec = { exec: { command: ["sh"] } };
  const other = { name: "other", image: LOADERS.image, command: ["sh"] };
  const deviations: [string, (spec: Fields) => void][] = [
    ["image", ofContainer({ image: "busybox" })],
    ["pull policy", ofContainer({ imagePullPolicy: "Always" })],
    ["command", ofContainer({ command: ["sh"] })],
    ["program", ofContainer({ command: ["node", "/store/ada/program.js"] })],
    ["no command", container((one) => delete one.command)],
    ["argument with an option", ofContainer({ args: ["--require=/store/x"] })],
    ["argument that leads elsewhere", ofContainer({ args: ["load", "xilinx-sysfs", "../../etc/shadow"] })],
    ["variable", container((one) => one.env.push({ name: "NODE_OPTIONS", value: "--import=/store/x" }))],
    ["no variable", container((one) => delete one.env)],
    ["variables from elsewhere", ofContainer({ envFrom: [{ configMapRef: { name: "x" } }] })],
    ["working directory", ofContainer({ workingDir: "/store" })],
    ["hook", ofContainer({ lifecycle: { postStart: exec } })],
    ["liveness probe", ofContainer({ livenessProbe: exec })],
    ["startup probe", ofContainer({ startupProbe: exec })],
    ["readiness probe", ofContainer({ readinessProbe: exec })],
    ["port of the node", ofContainer({ ports: [{ containerPort: 80, hostPort: 80 }] })],
    ["input", ofContainer({ stdin: true })],
    ["place of its message", ofContainer({ terminationMessagePath: "/host/sys/x" })],
    ["privileged", security({ privileged: true, allowPrivilegeEscalation: true })],
    ["escalation", security({ allowPrivilegeEscalation: true })],
    ["capability", security({ capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } })],
    ["kept capabilities", security({ capabilities: {} })],
    ["writable root", security({ readOnlyRootFilesystem: false })],
    ["seccomp", security({ seccompProfile: { type: "Unconfined" } })],
    [
      "masks",
      (spec) => Object.assign(spec, { hostUsers: false }) && security({ procMount: "Unmasked" })(spec),
    ],
    ["security", container((one) => delete one.securityContext)],
    ["another container", (spec) => spec.containers.push(other)],
    ["container before it", field({ initContainers: [other] })],
    ["node's network", field({ hostNetwork: true })],
    ["node's processes", field({ hostPID: true })],
    ["node's memory", field({ hostIPC: true })],
    ["shared processes", field({ shareProcessNamespace: true })],
    ["sysctl", field({ securityContext: { sysctls: [{ name: "kernel.shm_rmid_forced", value: "0" }] } })],
    ["group", field({ securityContext: { supplementalGroups: [6] } })],
    ["account", field({ serviceAccountName: "default", serviceAccount: "default" })],
    ["token", field({ automountServiceAccountToken: true })],
    ["node by name", field({ nodeName: "node1" })],
    ["labels of its node", field({ nodeSelector: {} })],
    ["nodes of another kind", field({ nodeSelector: { "perigee.test/kind": "gpu" } })],
    ["restarts", field({ restartPolicy: "Always" })],
    ["runtime", field({ runtimeClassName: "other" })],
    ["names of hosts", field({ hostAliases: [{ ip: "10.0.0.1", hostnames: ["x"] }] })],
    ["secret for images", field({ imagePullSecrets: [{ name: "x" }] })],
    ["directory of the kernel", volume(0, { hostPath: { path: "/", type: "Directory" } })],
    ["the node's own device", volume(0, { hostPath: { path: "/sys", type: "Directory" } })],
    ["directory of the firmware", volume(1, { hostPath: { path: "/etc", type: "DirectoryOrCreate" } })],
    ["store", volume(2, { hostPath: { path: "/srv", type: "DirectoryOrCreate" } })],
    ["type of a directory", volume(2, { hostPath: { path: LOADERS.store, type: "File" } })],
    ["configuration", volume(3, { configMap: { name: "other" } })],
    ["secret", (spec) => spec.volumes.push({ name: "x", secret: { secretName: "x" } })],
    ["token of its own", (spec) => spec.volumes.push({ name: "x", projected: { sources: [] } })],
    ["place of the store", mount(2, { mountPath: "/opt/perigee/dist" })],
    ["writable store", mount(2, { readOnly: false })],
    ["part of a directory", mount(0, { subPath: "x" })],
    ["propagation", mount(0, { mountPropagation: "HostToContainer" })],
    ["another mount", container((one) => one.volumeMounts.push({ name: "sys", mountPath: "/opt" }))],
  ];

  test("is refused when it differs in one field", async () => {
    // the server itself refuses one that it does not have
    const runtime = { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "other" } };
    expect(await admin(["apply", "-f", "-"], JSON.stringify({ ...runtime, handler: "runc" }))).toMatchObject({
      ok: true,
    });
    const accepted = await Promise.all(
      deviations.map(async ([name, change]) => {
        const pod = loader();
        change(pod.spec);
        return made(pod).then(
          () => `${name}: accepted`,
          (error: Error) => (/a loader|no token/.test(error.message) ? [] : `${name}: ${error.message}`),
        );
      }),
    );
    await admin(["delete", "runtimeclass", "other"]);
    expect(accepted.flat()).toEqual([]);
  });

  test("is refused without the label, and in a namespace of users", async () => {
    const pod = loader();
    delete pod.metadata.labels;
    await expect(made(pod)).rejects.toThrow("touches only what carries the label");
    const elsewhere = loader();
    elsewhere.metadata.namespace = HOME;
    await expect(made(elsewhere, HOME)).rejects.toThrow("violates PodSecurity");
  });

  test("its namespace takes nothing else, and is nobody's to change", async () => {
    const account = { kind: "ServiceAccount", metadata: { name: "perigee-pod", labels: LABELS } };
    const claim = { ...account, metadata: { ...account.metadata, namespace: "perigee-fpga", name: "other" } };
    expect(await create(claim)).toMatchObject({ ok: false });
    const label = ["label", "--dry-run=server", "namespace", "perigee-fpga", "perigee.instance=mine"];
    expect((await agent(label)).text).toContain("touches only what carries the label");
  });
});

test("with no more than that, a run starts, tells its log and ends", async () => {
  const runtime = await rig.runtime({
    api: await KubernetesApi.open({ kubeconfig }),
    prefix: "perigee",
  });
  const run = rig.sh("echo from inside; echo kept > /data/file", { pod: "rights", ports: [8080] });
  try {
    await runtime.start(run);
    expect(await rig.lines(runtime, run.run)).toEqual(["from inside"]);
    await rig.until(async () => "terminated" in ((await runtime.inspect(run.run)) ?? {}));
    await runtime.stop(run.run, 0);
    expect((await runtime.list()).map((listed) => listed.run)).toContain(run.run);
    expect((await runtime.nodes()).length).toBeGreaterThan(0);
  } finally {
    await runtime.remove(run.run);
    await runtime.tidy(run.user);
  }
});
