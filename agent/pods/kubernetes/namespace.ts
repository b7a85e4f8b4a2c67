import { LABEL } from "../labels.ts";
import type { RunMount } from "../pod-runtime.ts";
import { type KubernetesNames, PATH, SERVICE_ACCOUNT } from "./names.ts";
import type { Manifest } from "./types.ts";

/** What the pods of one user may use together. */
export type UserQuota = {
  /** pods that have not ended; default 32 */
  pods: number;
  /** CPUs and bytes, as their limits say; undefined: as many as the pods have */
  cpus?: number;
  memory?: number;
  /** device resources, for example `{"nvidia.com/gpu": 2}`; one that is not here: as many as the pods take */
  resources?: Readonly<Record<string, number>>;
  /** ports of the nodes; default none */
  nodePorts?: number;
};

/** Where pods ask for names. */
export type ClusterDns = {
  /** address that pods use; undefined: they have no names, and may ask nobody */
  address?: string;
  /** the cluster's domain */
  domain: string;
  /** namespace and labels of the pods behind the address */
  namespace: string;
  labels: Readonly<Record<string, string>>;
};

/** How the volumes' directories are reached by the nodes. */
export type VolumeStorage = {
  /** `shared`: every node sees them at the same path; `local`: only one node has them */
  kind: "shared" | "local";
  /** name of the node that has local volumes */
  node?: string;
  /** the agent's path of the directory of all volumes, and the nodes' path of the same */
  agentPath: string;
  nodePath: string;
};

/** Size of every persistent volume. Nothing holds it, and Kubernetes wants to see one: quotas are the agent's. */
const NOMINAL = "1Ti";

/** API path and object, to be applied in this order. */
export type Step = { path: string; object: Manifest };

export type NamespaceContext = {
  quota: UserQuota;
  dns: ClusterDns;
  limits: { memory: number; cpus: number; scratch: number };
  /** default: that of the user's pods */
  namespace?: string;
};

/**
 * A user's namespace, complete but for volumes and pods: closed in both directions before the first pod is there.
 * Its pods reach each other (where one names ports) and the names' server, and nothing else; those without a network
 * nobody at all.
 */
export function namespaceSteps(
  names: KubernetesNames,
  user: string,
  context: NamespaceContext,
): [namespace: Step, ...content: Step[]] {
  const { namespace: name = names.namespace(user) } = context;
  const labels = names.labels(user);
  const base = `/api/v1/namespaces/${name}`;
  const { quota, dns, limits } = context;
  const most = {
    cpu: String(limits.cpus),
    memory: String(limits.memory),
    "ephemeral-storage": String(limits.scratch),
  };
  const policies = `/apis/networking.k8s.io/v1/namespaces/${name}/networkpolicies`;
  const dnsPorts = ["UDP", "TCP"].map((protocol) => ({ protocol, port: 53 }));
  return [
    {
      path: base,
      object: {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: {
          name,
          labels: {
            ...labels,
            "pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/enforce-version": "latest",
          },
        },
      },
    },
    {
      path: `${policies}/closed`,
      object: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "closed", labels },
        spec: {
          // Policies only add to each other: what is to have no network must not be in this one.
          podSelector: { matchExpressions: [{ key: LABEL.network, operator: "NotIn", values: ["none"] }] },
          policyTypes: ["Ingress", "Egress"],
          egress: [
            { to: [{ podSelector: {} }] },
            ...(dns.address
              ? [
                  {
                    to: [
                      { ipBlock: { cidr: `${dns.address}/32` } },
                      {
                        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": dns.namespace } },
                        podSelector: { matchLabels: { ...dns.labels } },
                      },
                    ],
                    ports: dnsPorts,
                  },
                ]
              : []),
          ],
        },
      },
    },
    {
      path: `${base}/serviceaccounts/${SERVICE_ACCOUNT}`,
      object: {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: SERVICE_ACCOUNT, labels },
        automountServiceAccountToken: false,
      },
    },
    {
      path: `${base}/resourcequotas/pods`,
      object: {
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "pods", labels },
        spec: {
          hard: {
            pods: String(quota.pods),
            "limits.cpu": String(quota.cpus ?? quota.pods * limits.cpus),
            "limits.memory": String(quota.memory ?? quota.pods * limits.memory),
            // Kubernetes counts what is beyond its own resources by requests alone.
            ...Object.fromEntries(
              Object.entries(quota.resources ?? {}).map(([name, most]) => [`requests.${name}`, String(most)]),
            ),
            "services.nodeports": String(quota.nodePorts ?? 0),
            "services.loadbalancers": "0",
          },
        },
      },
    },
    {
      path: `${base}/limitranges/pods`,
      object: {
        apiVersion: "v1",
        kind: "LimitRange",
        metadata: { name: "pods", labels },
        spec: { limits: [{ type: "Container", max: most, default: most }] },
      },
    },
    {
      path: `${policies}/silent`,
      object: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "silent", labels },
        spec: {
          podSelector: { matchLabels: { [LABEL.network]: "none" } },
          policyTypes: ["Ingress", "Egress"],
        },
      },
    },
  ];
}

/** A volume's directory as a persistent volume that only this claim can have, and the claim. */
export function volumeSteps(
  names: KubernetesNames,
  user: string,
  mount: Pick<RunMount, "volume" | "path">,
  storage: VolumeStorage,
): [volume: Step, claim: Step] {
  const namespace = names.namespace(user);
  const claim = mount.volume;
  const volume = names.persistentVolume(user, claim);
  const labels = names.labels(user);
  const path = nodePathOf(mount.path, storage);
  const shape = { accessModes: ["ReadWriteMany"], storageClassName: "", volumeMode: "Filesystem" };
  return [
    {
      path: `/api/v1/persistentvolumes/${volume}`,
      object: {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name: volume, labels },
        spec: {
          ...shape,
          capacity: { storage: NOMINAL },
          // What the claim's or the volume's object does never touches the files.
          persistentVolumeReclaimPolicy: "Retain",
          claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: claim },
          ...(storage.kind === "shared"
            ? { hostPath: { path, type: "Directory" } }
            : { local: { path }, nodeAffinity: onlyOn(storage.node ?? "") }),
        },
      },
    },
    {
      path: `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${claim}`,
      object: {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: claim, labels, annotations: { [PATH]: mount.path } },
        spec: { ...shape, resources: { requests: { storage: NOMINAL } }, volumeName: volume },
      },
    },
  ];
}

function onlyOn(node: string): object {
  const hostname = { key: "kubernetes.io/hostname", operator: "In", values: [node] };
  return { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } };
}

/** The nodes' path of a directory that the agent sees at `path`. */
export function nodePathOf(path: string, storage: Pick<VolumeStorage, "agentPath" | "nodePath">): string {
  const { agentPath, nodePath } = storage;
  if (path !== agentPath && !path.startsWith(`${agentPath}/`)) {
    throw new Error("the volume lies outside the directory that the nodes share");
  }
  return nodePath + path.slice(agentPath.length);
}
