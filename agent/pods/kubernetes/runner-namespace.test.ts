import { expect, test } from "vitest";
import { FORBIDDEN_IPV4 } from "../forbidden-ranges.ts";
import { KubernetesNames } from "./names.ts";
import { type OpenRules, runnerNamespaceSteps } from "./runner-namespace.ts";

const names = new KubernetesNames("instance", "secret", "perigee");
const limits = { memory: 2 ** 30, cpus: 2, scratch: 2 ** 30 };

function steps(open: OpenRules | undefined) {
  return runnerNamespaceSteps(names, "ada", { limits, most: 200, open });
}

const policies = (of: ReturnType<typeof steps>) =>
  Object.fromEntries(
    of
      .filter(({ object }) => object.kind === "NetworkPolicy")
      .map(({ object }) => [object.metadata.name, (object as unknown as { spec: unknown }).spec]),
  );

test("is another namespace than that of the user's pods, and everything is in it", () => {
  const name = names.runnerNamespace("ada");
  expect(name).toMatch(/^perigee-ada-[0-9a-f]{16}$/);
  expect(name).not.toBe(names.namespace("ada"));
  const [namespace, closed, ...rest] = steps(undefined);
  expect(namespace.object).toMatchObject({
    kind: "Namespace",
    metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "baseline" } },
  });
  // closed before anything else can be made in it
  expect(closed!.path).toContain(`/namespaces/${name}/networkpolicies/closed`);
  for (const { path } of rest) expect(path).toContain(`/namespaces/${name}/`);
  expect(rest.map(({ object }) => object.kind).toSorted()).toEqual([
    "LimitRange",
    "NetworkPolicy",
    "ResourceQuota",
    "ServiceAccount",
  ]);
});

test("has room for all runners of the edge", () => {
  const quota = steps(undefined).find(({ object }) => object.kind === "ResourceQuota")!;
  expect(quota.object).toMatchObject({
    spec: {
      hard: {
        pods: "200",
        "limits.cpu": "400",
        "limits.memory": String(200 * 2 ** 30),
        "services.nodeports": "0",
      },
    },
  });
});

test("opens no more ports of the nodes than the operator lets all runners have", () => {
  const quota = steps({ clusterRanges: [], nodePorts: 1000 }).find(
    ({ object }) => object.kind === "ResourceQuota",
  )!;
  expect(quota.object).toMatchObject({ spec: { hard: { "services.nodeports": "1000" } } });
});

test("a runner reaches nobody, other runners included; what was opened before is taken back", () => {
  expect(policies(steps(undefined))).toEqual({
    closed: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    open: {
      podSelector: { matchLabels: { "perigee.network": "open" } },
      policyTypes: ["Egress"],
      egress: [],
    },
  });
});

test("one with an open network reaches public addresses, and none of the cluster", () => {
  const { closed, open } = policies(steps({ clusterRanges: ["198.51.100.4", "203.0.113.0/24"] }));
  expect(closed).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  const except = [...FORBIDDEN_IPV4, "198.51.100.4/32", "203.0.113.0/24"];
  expect(except).toEqual(expect.arrayContaining(["10.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"]));
  expect(open).toEqual({
    podSelector: { matchLabels: { "perigee.network": "open" } },
    policyTypes: ["Egress"],
    egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except } }] }],
  });
});
