import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import { kubernetesSessions } from "#agent/sessions/kubernetes/kubernetes-sessions.ts";
import { RUNNER_BOUNDS, testRunner } from "#test/conformance/runner-runs.ts";
import { agentKubeconfig } from "./support/agent-kubeconfig.ts";
import { kubectl as admin } from "./support/kubectl.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

const ACCESS = resolve(import.meta.dirname, "../../infra/kubernetes/access");
const EXEC = join(ACCESS, "exec");
const PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const signal = new AbortController().signal;
let rig: KubernetesRig;
let agent: KubernetesApi;
/** its kubeconfig */
let file: string;

/** What the server says to an agent that wants to connect to a pod, which need not be there. */
async function refusal(
  namespace: string,
  what: string,
  query: readonly [string, string][] = [],
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/pods/nope/${what}`;
  try {
    const socket = await agent.socket(
      path,
      [["command", "true"], ["stdout", "true"], ...query],
      PROTOCOLS,
      signal,
    );
    socket.terminate();
    return "open";
  } catch (error) {
    return (error as Error).message;
  }
}

beforeAll(async () => {
  rig = await KubernetesRig.create();
  expect(await admin(["apply", "-k", ACCESS])).toMatchObject({ ok: true });
  const value = `'${rig.directory}'`;
  const patch = JSON.stringify([{ op: "replace", path: "/spec/variables/0/expression", value }]);
  const policy = ["validatingadmissionpolicy", "perigee-agent"];
  expect(await admin(["patch", ...policy, "--type=json", "-p", patch])).toMatchObject({ ok: true });
  file = await agentKubeconfig(rig.directory);
  agent = await KubernetesApi.open({ kubeconfig: file });
});
afterAll(async () => {
  agent?.close();
  await admin(["delete", "--ignore-not-found", "-k", EXEC]);
  await rig?.cleanUp();
  await admin(["delete", "--ignore-not-found", "-k", ACCESS]);
});

test("without the overlay an agent offers no sessions, and may not execute", async () => {
  await rig.until(async () => (await kubernetesSessions(agent, rig.names)).features.length === 0);
  expect(await refusal("default", "exec", [["container", "payload"]])).toContain("forbidden");
});

test("with it, it executes in its own namespaces and the payload's container, and nowhere else", async () => {
  expect(await admin(["apply", "-k", EXEC])).toMatchObject({ ok: true });
  // rights and policies are in force a moment after they were made
  const elsewhere = () => refusal("default", "exec", [["container", "payload"]]);
  await rig.until(async () => (await elsewhere()).includes("namespaces with the label"));
  await rig.until(async () => (await kubernetesSessions(agent, rig.names)).features.length === 2);
  for (const namespace of ["kube-system", "perigee-system"]) {
    expect(await refusal(namespace, "exec", [["container", "payload"]])).toContain(
      "namespaces with the label",
    );
  }
  for (const what of ["attach", "portforward", "proxy"]) {
    expect(await refusal("default", what)).toMatch(/forbidden|attaches to nothing/);
  }
  const { runnerImage } = testCluster();
  const { memoryBytes, maxCpus, scratchBytes } = RUNNER_BOUNDS;
  const runtime = await rig.runtime({
    // with no more rights than these two overlays give
    api: await KubernetesApi.open({ kubeconfig: file }),
    prefix: "perigee",
    limits: { memory: memoryBytes, cpus: 1, scratch: scratchBytes },
    runners: { most: 4, maxCpus, scratchBytes, open: { hostAddress: "198.51.100.7" } },
    images: { reference: async () => runnerImage.reference },
    workdir: async () => "",
  });
  const run = testRunner(runnerImage.id, "ada", { networkAccess: true, exposedPorts: [8080] });
  const { ports } = await runtime.start(run);
  expect(ports).toEqual([{ exposedPort: 8080, hostAddress: expect.stringMatching(/^198\.51\.100\.7:\d+$/) }]);
  expect(await runtime.inspect(run.run)).toHaveProperty("running");
  const { namespace = "" } = (await rig.pod(run.run)).metadata;
  expect(await refusal(namespace, "exec")).toContain("container payload");
  expect(await refusal(namespace, "exec", [["container", "other"]])).toContain("container payload");
  const sessions = await kubernetesSessions(agent, rig.names);
  const execution = await sessions.exec(
    run.run,
    { argv: ["/bin/echo", "inside"], as: "own", env: {} },
    { signal },
  );
  let said = "";
  for await (const { data } of execution.output) said += data;
  expect([said, await execution.exit]).toEqual(["inside\n", 0]);
  await runtime.remove(run.run);
  await runtime.tidy("ada");
});
