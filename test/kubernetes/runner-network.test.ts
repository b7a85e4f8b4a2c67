import { execFileSync } from "node:child_process";
import { connect, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import type { KubernetesRuntime } from "#agent/pods/kubernetes/runtime.ts";
import { NotStartedYet, type RunSpec, type Started } from "#agent/pods/pod-runtime.ts";
import { kubernetesSessions } from "#agent/sessions/kubernetes/kubernetes-sessions.ts";
import type { PodSessions } from "#agent/sessions/pod-sessions.ts";
import { LIMITS } from "#protocol/limits.ts";
import { RUNNER_BOUNDS, saidIn, testRunner } from "#test/conformance/runner-runs.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

/** A public address, which this machine gets for as long as the test lasts. */
const PUBLIC = "198.51.100.77";
/** `try ADDRESS PORT`: whether it was reached, be it to hear that nobody listens there */
const TRY = `try() { o=$(timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2" 2>&1); case $?,$o in 0,*) echo "$1 $2 open";; *refused*) echo "$1 $2 refused";; *) echo "$1 $2 nothing";; esac; }`;

const { own } = clusterUnderTest();

describe.runIf(own)("the network of runners", () => {
  let rig: KubernetesRig;
  let runtime: KubernetesRuntime;
  let sessions: PodSessions;
  let server: Server;
  let node: string;
  let silent: RunSpec;
  let open: RunSpec;
  let beside: RunSpec;
  let started: Started;

  async function start(spec: RunSpec): Promise<Started> {
    for (;;) {
      try {
        return await runtime.start(spec);
      } catch (error) {
        if (!(error instanceof NotStartedYet)) throw error;
      }
    }
  }

  beforeAll(async () => {
    rig = await KubernetesRig.create();
    const { kubeconfig, runnerImage } = testCluster();
    const { memoryBytes, maxCpus, scratchBytes } = RUNNER_BOUNDS;
    node = own!.nodes[0]!;
    runtime = await rig.runtime({
      limits: { memory: memoryBytes, cpus: 1, scratch: scratchBytes },
      runners: { most: LIMITS.runners, maxCpus, scratchBytes, open: { hostAddress: node, dns: [PUBLIC] } },
      images: { reference: async () => runnerImage.reference },
      workdir: async () => "",
    });
    sessions = await kubernetesSessions(await KubernetesApi.open({ kubeconfig }), rig.names);
    const withNetwork = { networkAccess: true, exposedPorts: [8080] };
    silent = testRunner(runnerImage.id, "ada", { exposedPorts: [8080] });
    open = testRunner(runnerImage.id, "ada", withNetwork);
    beside = testRunner(runnerImage.id, "ada", { networkAccess: true });
    [started] = (await Promise.all([open, silent, beside].map(start))) as [Started, Started, Started];
    execFileSync("ip", ["address", "replace", `${PUBLIC}/32`, "dev", "lo"]);
    server = createServer((socket) => socket.on("error", () => {}).end("page\n")).listen(0, PUBLIC);
    await new Promise((resolve) => server.once("listening", resolve));
  }, 300_000);
  afterAll(async () => {
    server?.close();
    execFileSync("ip", ["address", "delete", `${PUBLIC}/32`, "dev", "lo"]);
    await sessions?.close();
    await rig?.cleanUp();
  });

  const publicPort = () => (server.address() as { port: number }).port;
  const addressOf = async ({ run }: RunSpec) => (await rig.addresses(run))[0]!;
  /** What a runner finds at these places (`ADDRESS PORT`), all asked at once. */
  async function tries(from: RunSpec, places: readonly string[]): Promise<string[]> {
    const ask = places.map((place, n) => `(try ${place} > /tmp/${n}) &`).join(" ");
    const answers = places.map((_, n) => `/tmp/${n}`).join(" ");
    return (await saidIn(sessions, from.run, `${TRY}; ${ask} wait; cat ${answers}`)).split("\n");
  }
  const nothing = (places: readonly string[]) => places.map((place) => `${place} nothing`);
  async function forbidden(): Promise<string[]> {
    const service = await rig.api.call<{ spec: { clusterIP: string } }>(
      "/api/v1/namespaces/default/services/kubernetes",
    );
    return [
      `${service.spec.clusterIP} 443`,
      ...own!.nodes.flatMap((address) => [`${address} 6443`, `${address} 10250`]),
      own!.pull.replace(":", " "),
      `${own!.host} 22`,
      `${testCluster().dns.address} 53`,
      `${await addressOf(beside)} 8080`,
      "169.254.169.254 80",
    ];
  }

  test("one without a network reaches nobody, the public included", async () => {
    const places = [...(await forbidden()), `${PUBLIC} ${publicPort()}`, `${await addressOf(open)} 8080`];
    expect(await tries(silent, places)).toEqual(nothing(places));
  });

  test("one with a network reaches public addresses, and none of the cluster or of other runners", async () => {
    const shut = await forbidden();
    const told = await tries(open, [`${PUBLIC} ${publicPort()}`, ...shut]);
    expect(told).toEqual([`${PUBLIC} ${publicPort()} open`, ...nothing(shut)]);
  });

  test("asks the operator's resolvers, and names nothing of the cluster", async () => {
    expect(await saidIn(sessions, open.run, "cat /etc/resolv.conf")).toBe(
      `nameserver ${PUBLIC}\noptions ndots:1`,
    );
    expect(await saidIn(sessions, silent.run, "cat /etc/resolv.conf")).toContain("nameserver 127.0.0.1\n");
  });

  test("its exposed ports are ports of the nodes, and no others lead to it", async () => {
    expect(started.ports).toEqual([{ exposedPort: 8080, hostAddress: expect.any(String) }]);
    const { hostAddress } = started.ports![0]!;
    expect(hostAddress).toMatch(new RegExp(`^${node.replaceAll(".", "\\.")}:3[0-2]\\d{3}$`));
    // from this machine: nobody listens there, which only who gets there hears
    const heard = async (port: number) => {
      const socket = connect(port, await addressOf(open));
      const told = new Promise<string>((resolve) => {
        socket.once("connect", () => resolve("open"));
        socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
        setTimeout(() => resolve("nothing"), 3_000).unref();
      });
      return told.finally(() => socket.destroy());
    };
    expect(await heard(8080)).toBe("ECONNREFUSED");
    expect(await heard(9090)).toBe("nothing");
    await runtime.remove(open.run);
    const services = `/api/v1/namespaces/${rig.names.runnerNamespace("ada")}/services`;
    await rig.until(async () => (await rig.api.list(services)).items.length === 0);
  });

  test("one that writes more than it may is evicted by its node", async () => {
    const script = "head -c 100M /dev/zero > /workspace/large; sleep 600";
    const spec = { argv: ["/bin/bash", "-c", script], as: "root", env: {} } as const;
    const execution = await sessions.exec(silent.run, spec, { signal: AbortSignal.timeout(60_000) });
    const reasonOf = async () => {
      const state = await runtime.inspect(silent.run);
      return state && "terminated" in state ? state.terminated.reason : undefined;
    };
    expect(await rig.until(reasonOf)).toBe("Evicted");
    execution.cut();
    await runtime.remove(silent.run);
  });
});
