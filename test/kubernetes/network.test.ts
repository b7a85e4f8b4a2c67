import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesRuntime } from "#agent/pods/kubernetes/runtime.ts";
import type { Pod } from "#agent/pods/kubernetes/types.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

const SERVE = "for p in 8080 9090; do while :; do echo page | nc -l -p $p; done & done; wait";
const LOOK = `look() { nslookup "$1" 2>/dev/null | sed -n '/^Name/,$s/^Address[^:]*: *//p' | head -n 1; }`;
/** `try HOST PORT`: what is there, or `nothing` */
const TRY = `${LOOK}; try() { case $1 in *[a-z]*) a=$(look $1);; *) a=$1;; esac; o=$(test -n "$a" && nc -w 2 $a $2 </dev/null 2>/dev/null); echo "$1 $2 \${o:-nothing}"; }`;

let rig: KubernetesRig;
let runtime: KubernetesRuntime;
/** the kinds of two nodes */
const KINDS = ["FPGA", "MPU"] as const;
let address: string;
beforeAll(async () => {
  rig = await KubernetesRig.create();
  runtime = await rig.runtime();
  const server = rig.sh(SERVE, { kind: "FPGA", pod: "server", ports: [8080] });
  await runtime.start(server);
  [address = ""] = await rig.addresses(server.run);
  const nodes = await Promise.all(
    KINDS.map((kind) => runtime.start(rig.sh("true", { kind, pod: kind.toLowerCase() }))),
  );
  expect(new Set(nodes.map(({ node }) => node)).size).toBe(2);
});
afterAll(() => rig?.cleanUp());

/** What a pod of `user` on a node of `kind` gets from these places (`HOST PORT`), all asked at once. */
async function tries(user: string, kind: (typeof KINDS)[number], places: string[]): Promise<string[]> {
  const ask = places.map((place, i) => `(try ${place} > /tmp/${i}) &`).join(" ");
  const script = `${TRY}; ${ask} wait; cat ${places.map((_, i) => `/tmp/${i}`).join(" ")}`;
  const run = rig.sh(script, { user, kind, pod: "asker" });
  await runtime.start(run);
  const lines = await rig.lines(runtime, run.run);
  await runtime.remove(run.run);
  return lines;
}

describe.each(KINDS)("from a node of kind %s", (kind) => {
  test("a user's pods reach each other by name, on the named ports only", async () => {
    await rig.until(async () => (await tries("ada", kind, ["server 8080"]))[0] === "server 8080 page");
    // One after the other, and again where its nc was not back yet: it takes one caller at a time.
    const place = `${address} 8080`;
    await rig.until(async () => (await tries("ada", kind, [place]))[0] === `${place} page`);
    const shut = ["server 9090", `${address} 9090`];
    expect(await tries("ada", kind, shut)).toEqual(shut.map((place) => `${place} nothing`));
  });

  test("another user's pods reach them by no name, address or port, and cannot guess their namespace", async () => {
    const full = `server.${rig.names.namespace("ada")}.svc.${testCluster().dns.domain}`;
    const places = ["server 8080", `${address} 8080`, `${address} 9090`];
    expect(await tries("eve", kind, places)).toEqual(places.map((place) => `${place} nothing`));
    // Known, it would be found: only its hash keeps it.
    expect(await tries("eve", kind, [`${full} 8080`])).toEqual([`${full} 8080 nothing`]);
    const names = ["ada", "eve"].map((user) => rig.names.namespace(user).replace(/^.*-/, ""));
    expect(names[0]).not.toBe(names[1]);
    expect(names[0]).toMatch(/^[0-9a-f]{16}$/);
  });

  test("names lead to the user's own services alone: none by address, none of the cluster, none of the outside", async () => {
    const { items } = await rig.api.list<Pod>("/api/v1/pods");
    const addresses = new Set(items.map(({ status }) => status?.podIP).filter((ip) => ip !== undefined));
    expect(addresses).toContain(address);
    const service = await rig.api.call<{ spec: { clusterIP: string } }>(
      "/api/v1/namespaces/default/services/kubernetes",
    );
    const { domain } = testCluster().dns;
    const asks = [
      ...[...addresses, service.spec.clusterIP].map((ip) => `ptr ${ip}`),
      `a kubernetes.default.svc.${domain}`,
      "a example.com",
      "txt secret.tunnel.example.com",
    ];
    // What was found, after the question. The first shows that a name that is there would be.
    const ask = `ask() { echo "$*" $(nslookup -type=$1 $2 2>&1 | grep -ic -e 'name = ' -e '^Name:' -e 'text = '); }`;
    const own = `a server.${rig.names.namespace("ada")}.svc.${domain}`;
    const script = [ask, ...[own, ...asks].map((words) => `ask ${words}`)].join("; ");
    const run = rig.sh(script, { kind, pod: "namer" });
    await runtime.start(run);
    const lines = await rig.lines(runtime, run.run);
    await runtime.remove(run.run);
    expect(lines).toEqual([`${own} 1`, ...asks.map((words) => `${words} 0`)]);
  });

  test("nothing else is reached: no API server, no node, no registry, no host, no names of the outside", async () => {
    const { own } = clusterUnderTest();
    const service = await rig.api.call<{ spec: { clusterIP: string } }>(
      "/api/v1/namespaces/default/services/kubernetes",
    );
    const nodes = (await rig.nodes()) as unknown as {
      status: { addresses: { type: string; address: string }[] };
    }[];
    const internal = nodes.flatMap(({ status }) =>
      status.addresses.filter(({ type }) => type === "InternalIP"),
    );
    const places = [
      `${service.spec.clusterIP} 443`,
      ...internal.flatMap(({ address: node }) => [`${node} 6443`, `${node} 10250`]),
      ...(own ? [own.pull, own.push].map((at) => at.replace(":", " ")) : []),
      ...(own ? [`${own.host} 22`] : []),
      "169.254.169.254 80",
      "1.1.1.1 53",
      "example.com 80",
    ];
    expect(await tries("ada", kind, places)).toEqual(places.map((place) => `${place} nothing`));
  });
});
