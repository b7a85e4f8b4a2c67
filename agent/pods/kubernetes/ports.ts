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
 * @param outside networks that reach a pod with an address too
 */
export function portSteps(
  names: KubernetesNames,
  spec: RunSpec,
  pod: Metadata,
  outside: readonly string[] = [],
): Step[] {
  if (!isReached(spec)) return [];
  const ports = [...new Set(spec.ports)];
  const ofRun = { [LABEL.run]: spec.run };
  const blocks = spec.address ? outside.map((cidr) => ({ ipBlock: { cidr } })) : [];
  const from = spec.runner ? {} : { from: [{ podSelector: {} }, ...blocks] };
  return [
    {
      path: `/apis/networking.k8s.io/v1/namespaces/${names.home(spec)}/networkpolicies/pod-${spec.pod}`,
      object: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { ...metadataOf(names, spec, pod), name: `pod-${spec.pod}` },
        spec: {
          podSelector: { matchLabels: ofRun },
          policyTypes: ["Ingress"],
          ingress: [{ ...from, ports: ports.map((port) => ({ protocol: "TCP", port })) }],
        },
      },
    },
    serviceStep(names, spec, pod),
  ];
}

/**
 * A second service, under the pod's hostname. If another pod of the user has that name, the caller must leave that pod's
 * service alone. Pure.
 * @returns undefined for a pod without such a name, and for one that no service can have
 */
export function nameStep(names: KubernetesNames, spec: RunSpec, pod: Metadata): Step | undefined {
  const { hostname } = spec;
  if (hostname === undefined || !SERVICE_NAME.test(hostname) || !isReached(spec)) return undefined;
  return serviceStep(names, spec, pod, hostname);
}

function isReached({ ports, network }: RunSpec): boolean {
  return ports.length > 0 && network !== "none";
}

function serviceStep(names: KubernetesNames, spec: RunSpec, pod: Metadata, name = serviceName(spec)): Step {
  return {
    path: servicePath(names, spec, name),
    object: {
      apiVersion: "v1",
      kind: "Service",
      metadata: { ...metadataOf(names, spec, pod), name },
      spec: {
        ...(spec.runner
          ? { type: "NodePort" }
          : {
              clusterIP: "None",
              // Known as soon as it has an address: who asked too early would remember that there is none.
              publishNotReadyAddresses: true,
            }),
        selector: { [LABEL.run]: spec.run },
        ports: [...new Set(spec.ports)].map((port) => ({
          ...{ name: `tcp-${port}`, protocol: "TCP", port, targetPort: port },
        })),
      },
    },
  };
}

function metadataOf(names: KubernetesNames, spec: RunSpec, pod: Metadata) {
  return {
    labels: { ...names.labels(spec.user), [LABEL.pod]: spec.pod, [LABEL.run]: spec.run },
    ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: pod.name, uid: pod.uid }],
  };
}

/** Path of the service of a run's ports. */
export function servicePath(names: KubernetesNames, spec: RunSpec, name = serviceName(spec)): string {
  return `/api/v1/namespaces/${names.home(spec)}/services/${name}`;
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

const SERVICE_NAME = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A service's name begins with a letter. */
function serviceName({ pod, runner }: RunSpec): string {
  return runner ? `runner-${pod}` : pod;
}
