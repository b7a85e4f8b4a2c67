import type { MappedPort } from "#protocol/runners.ts";
import { LABEL } from "../labels.ts";
import type { RunSpec } from "../pod-runtime.ts";
import { KubernetesRefusal } from "./errors.ts";
import type { KubernetesNames } from "./names.ts";
import type { Step } from "./namespace.ts";
import type { Metadata } from "./types.ts";

/** What of the API server's word about a runner's service matters here. */
export type PortService = { spec?: { ports?: { port: number; nodePort?: number }[] } };

/**
 * What lets others reach a pod on its ports: a policy, and a service. Both belong to the pod's object and go with it.
 * The ports of a pod are open to other pods of the user, under its name; those of a runner are NodePorts, which the
 * cluster chooses, open to all who reach the nodes. Pure.
 */
export function portSteps(names: KubernetesNames, spec: RunSpec, pod: Metadata): Step[] {
  if (spec.ports.length === 0 || spec.network === "none") return [];
  const ports = [...new Set(spec.ports)];
  const ofRun = { [LABEL.run]: spec.run };
  const name = serviceName(spec);
  const metadata = {
    name,
    labels: { ...names.labels(spec.user), [LABEL.pod]: spec.pod, [LABEL.run]: spec.run },
    ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: pod.name, uid: pod.uid }],
  };
  const from = spec.runner ? {} : { from: [{ podSelector: {} }] };
  return [
    {
      path: `/apis/networking.k8s.io/v1/namespaces/${names.home(spec)}/networkpolicies/pod-${spec.pod}`,
      object: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { ...metadata, name: `pod-${spec.pod}` },
        spec: {
          podSelector: { matchLabels: ofRun },
          policyTypes: ["Ingress"],
          ingress: [{ ...from, ports: ports.map((port) => ({ protocol: "TCP", port })) }],
        },
      },
    },
    {
      path: servicePath(names, spec),
      object: {
        apiVersion: "v1",
        kind: "Service",
        metadata,
        spec: {
          ...(spec.runner
            ? { type: "NodePort" }
            : {
                clusterIP: "None",
                // Known as soon as it has an address: who asked too early would remember that there is none.
                publishNotReadyAddresses: true,
              }),
          selector: ofRun,
          ports: ports.map((port) => ({ name: `tcp-${port}`, protocol: "TCP", port, targetPort: port })),
        },
      },
    },
  ];
}

/** Path of the service of a run's ports. */
export function servicePath(names: KubernetesNames, spec: RunSpec): string {
  return `/api/v1/namespaces/${names.home(spec)}/services/${serviceName(spec)}`;
}

/** Where the ports of a runner are reached, by its service. Pure. */
export function mappedPorts({ spec }: PortService, hostAddress: string): MappedPort[] {
  return (spec?.ports ?? []).flatMap(({ port, nodePort }) =>
    nodePort === undefined ? [] : [{ exposedPort: port, hostAddress: `${hostAddress}:${nodePort}` }],
  );
}

/** Services of others have all ports of the nodes: the API server tells that as a failure of its own. Pure. */
export function isPortsFull(error: unknown): boolean {
  const { cause = error } = error as Error;
  return cause instanceof KubernetesRefusal && /range is full/.test(cause.message);
}

/** A service's name begins with a letter. */
function serviceName({ pod, runner }: RunSpec): string {
  return runner ? `runner-${pod}` : pod;
}
