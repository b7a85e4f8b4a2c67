import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import { kubectl as admin, type Said } from "./support/kubectl.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";

const ACCESS = resolve(import.meta.dirname, "../../infra/kubernetes/access");
const AGENT = "system:serviceaccount:perigee-system:perigee-agent";
let rig: KubernetesRig;

const agent = (args: string[], input?: string) => admin(["--as", AGENT, ...args], input);
/** Would the server take it? Nothing is changed. */
const create = (object: object) =>
  agent(["create", "--dry-run=server", "-f", "-"], JSON.stringify({ apiVersion: "v1", ...object }));

const LABELS = { "perigee.instance": "someone" };
const BASELINE = { ...LABELS, "pod-security.kubernetes.io/enforce": "baseline" };
const HOME = "perigee-rights-test";
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
  expect(await admin(["apply", "-k", ACCESS])).toMatchObject({ ok: true });
  const value = `'${rig.directory}'`;
  const patch = JSON.stringify([{ op: "replace", path: "/spec/variables/0/expression", value }]);
  const policy = ["validatingadmissionpolicy", "perigee-agent"];
  expect(await admin(["patch", ...policy, "--type=json", "-p", patch])).toMatchObject({ ok: true });
  const home = { apiVersion: "v1", kind: "Namespace", metadata: { name: HOME, labels: BASELINE } };
  expect(await admin(["apply", "-f", "-"], JSON.stringify(home))).toMatchObject({ ok: true });
  const account = { kind: "ServiceAccount", metadata: { name: "perigee-pod", namespace: HOME } };
  await admin(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", ...account }));
  // a policy is in force a moment after it was made
  const allowed = volume(`${rig.directory}/ada/default`);
  await rig.until(async () => !(await create(volume("/etc"))).ok && (await create(allowed)).ok);
});
afterAll(async () => {
  await rig?.cleanUp();
  await admin(["delete", "--ignore-not-found", "namespace", HOME]);
  await admin(["delete", "--ignore-not-found", "-k", ACCESS]);
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

test("with no more than that, a run starts, tells its log and ends", async () => {
  const { text: token } = await admin(["-n", "perigee-system", "create", "token", "perigee-agent"]);
  const own = JSON.parse((await admin(["config", "view", "--raw", "--flatten", "-o", "json"])).text);
  own.users[0].user = { token };
  const file = join(rig.directory, "agent.kubeconfig");
  writeFileSync(file, JSON.stringify(own), { mode: 0o600 });
  const runtime = await rig.runtime({
    api: await KubernetesApi.open({ kubeconfig: file }),
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
