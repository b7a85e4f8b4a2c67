import { FORBIDDEN_IPV4 } from "../forbidden-ranges.ts";
import { LABEL } from "../labels.ts";
import type { KubernetesNames } from "./names.ts";
import { type NamespaceContext, namespaceSteps, type Step } from "./namespace.ts";

export type RunnerNamespaceContext = Omit<NamespaceContext, "dns" | "quota"> & {
  /** runners of the edge, idle and used: the user's may be all of them */
  most: number;
  /**
   * undefined: no runner has a network; `unknown`: what is there stays. `clusterRanges`: IPv4 addresses and ranges of the cluster, public ones too;
   * `nodePorts`: how many ports of the nodes runners may have together (default none)
   */
  open: OpenRules | "unknown" | undefined;
};

export type OpenRules = { clusterRanges: readonly string[]; nodePorts?: number };

/**
 * The namespace of a user's runners, beside that of the pods, so that neither uses up the other's quota: complete but for
 * the runners, and closed before the first is there. A runner reaches nobody and is reached by nobody, other runners
 * included; one with an open network reaches public addresses. (Execution goes through the API server and the node, not
 * through this network.)
 */
export function runnerNamespaceSteps(
  names: KubernetesNames,
  user: string,
  context: RunnerNamespaceContext,
): [namespace: Step, ...content: Step[]] {
  const name = names.runnerNamespace(user);
  const labels = names.labels(user);
  const policy = (title: string, spec: object): Step => ({
    path: `/apis/networking.k8s.io/v1/namespaces/${name}/networkpolicies/${title}`,
    object: {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: title, labels },
      spec,
    },
  });
  const { most, limits } = context;
  const open = context.open === "unknown" ? undefined : context.open;
  const [namespace, ...content] = namespaceSteps(names, user, {
    limits,
    namespace: name,
    quota: { pods: most, ...(open?.nodePorts !== undefined && { nodePorts: open.nodePorts }) },
    dns: { domain: "", namespace: "", labels: {} },
  });
  const both = { policyTypes: ["Ingress", "Egress"] };
  const closed = policy("closed", { podSelector: {}, ...both });
  const cluster = (open?.clusterRanges ?? []).map((range) => (range.includes("/") ? range : `${range}/32`));
  const except = [...FORBIDDEN_IPV4, ...cluster];
  // Policies only add to each other. Without rules it takes back what an agent before may have opened.
  const opened = policy("open", {
    podSelector: { matchLabels: { [LABEL.network]: "open" } },
    policyTypes: ["Egress"],
    egress: open ? [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except } }] }] : [],
  });
  return [
    namespace,
    closed,
    ...content.filter(({ object }) => object.kind !== "NetworkPolicy"),
    ...(context.open === "unknown" ? [] : [opened]),
  ];
}
