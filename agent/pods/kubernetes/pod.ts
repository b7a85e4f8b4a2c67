import type { NodeKind } from "#protocol/names.ts";
import { argvOf, type ImageCommand } from "../argv-of-run.ts";
import { LABEL } from "../labels.ts";
import type { OpenNetwork } from "../open-network.ts";
import { DROPPED_CAPABILITIES } from "../pod-limits.ts";
import type { RunSpec } from "../pod-runtime.ts";
import { stoppable, tellAll } from "../shell-stop.ts";
import { mountsOf } from "./mounts.ts";
import { FINALIZER, type KubernetesNames, PORTS_GATE, SERVICE_ACCOUNT } from "./names.ts";
import { nodeFiles, resolvConf } from "./node-files.ts";
import { type PodBounds, type PodRequests, resourcesOf } from "./resources.ts";
import type { Manifest } from "./types.ts";

/** Nodes of a kind, and what pods there need. */
export type KindOfNode = {
  /** labels that its nodes have, all of them */
  labels: Readonly<Record<string, string>>;
  /** device resources that each pod gets, for example `{"nvidia.com/gpu": 1}` */
  resources?: Readonly<Record<string, string | number>>;
  /** taints that its pods tolerate */
  tolerations?: readonly Toleration[];
};

export type Toleration = {
  key?: string;
  operator?: "Exists" | "Equal";
  value?: string;
  effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
};

export type PodContext = {
  names: KubernetesNames;
  /** by digest */
  image: string;
  /** the image's own */
  workdir: string;
  limits: PodBounds;
  requests: PodRequests;
  kind: KindOfNode;
  dns: { address?: string; domain: string };
  /** of runners with an open network */
  open?: Pick<OpenNetwork, "dns">;
  /** how long a node may be out of reach before its pods are given up */
  nodeLostSeconds: number;
} & ImageCommand;

/**
 * Kubernetes counts a pod's deadline from when its node takes it, and it cannot be raised later: this long may
 * pulling its image take, at most, before it costs the payload time.
 */
export const START_ALLOWANCE_S = 1800;

/** Kubernetes wants to see one: the pod's own loopback, where nobody answers. */
const NO_DNS = "127.0.0.1";

/** Every node tells every container where the API server is, and cannot be told not to: these names it leaves alone. */
export const API_SERVER_VARIABLES = [
  "KUBERNETES_SERVICE_HOST",
  "KUBERNETES_SERVICE_PORT",
  "KUBERNETES_SERVICE_PORT_HTTPS",
  "KUBERNETES_PORT",
  ...["", "_PROTO", "_PORT", "_ADDR"].map((end) => `KUBERNETES_PORT_443_TCP${end}`),
] as const;
const NO_API_SERVER = Object.fromEntries(API_SERVER_VARIABLES.map((name) => [name, ""]));

/** The pod of a run (pure). */
export function podOf(spec: RunSpec, context: PodContext): Manifest {
  const { names, kind } = context;
  const { runner } = spec;
  const { volumes, volumeMounts } = mountsOf(spec.mounts);
  const namespace = names.home(spec);
  const dnsConfig = dnsOf(spec, context);
  const files = nodeFiles({ hostname: spec.hostname ?? spec.pod, resolvConf: resolvConf(dnsConfig) });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: names.pod(spec.run),
      namespace,
      labels: {
        ...names.labels(spec.user),
        [LABEL.pod]: spec.pod,
        [LABEL.run]: spec.run,
        ...(spec.network !== "user" && { [LABEL.network]: spec.network }),
        ...(runner && { [LABEL.runner]: "" }),
      },
      annotations: files.annotations,
      // A runner needs no finalizer: of its end only the reason is reported, and one whose pod is gone is lost.
      ...(!runner && { finalizers: [FINALIZER] }),
    },
    spec: {
      ...(spec.ports.length > 0 && { schedulingGates: [{ name: PORTS_GATE }] }),
      hostname: spec.hostname ?? spec.pod,
      restartPolicy: "Never",
      serviceAccountName: SERVICE_ACCOUNT,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...(spec.maxMs !== undefined && {
        activeDeadlineSeconds: Math.ceil(spec.maxMs / 1000) + START_ALLOWANCE_S,
      }),
      terminationGracePeriodSeconds: seconds(spec.graceMs),
      nodeSelector: { ...kind.labels },
      ...(spec.pinned && { affinity: onlyOn(spec.node) }),
      tolerations: [
        ...(kind.tolerations ?? []),
        ...["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map((key) => ({
          key,
          operator: "Exists",
          effect: "NoExecute",
          tolerationSeconds: context.nodeLostSeconds,
        })),
      ],
      dnsPolicy: "None",
      dnsConfig,
      securityContext: { seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "payload",
          image: context.image,
          imagePullPolicy: "IfNotPresent",
          ...commandOf(spec, context),
          env: Object.entries({ ...NO_API_SERVER, ...spec.envs }).map(([name, value]) => ({
            name,
            value: literal(value),
          })),
          ...(spec.defaultWorkdir !== undefined &&
            (context.workdir === "" || context.workdir === "/") && { workingDir: spec.defaultWorkdir }),
          ports: spec.ports.map((port) => ({ containerPort: port, protocol: "TCP" })),
          resources: resourcesOf(spec, context),
          securityContext: {
            ...(runner && { runAsUser: 0, runAsGroup: 0 }),
            allowPrivilegeEscalation: false,
            privileged: false,
            capabilities: { drop: [...DROPPED_CAPABILITIES] },
          },
          terminationMessagePath: files.terminationMessagePath,
          volumeMounts: [...volumeMounts, ...files.mounts],
        },
      ],
      volumes: [...volumes, files.volume],
    },
  };
}

/**
 * A shell is made stoppable, whoever named it: the run or its image; what it runs hears of a stop before it, as nodes
 * tell the first process only.
 */
function commandOf(spec: RunSpec, image: ImageCommand): object {
  const { command = [], args = [] } = spec;
  if (spec.runner) return { command: command.map(literal) };
  const argv = argvOf(spec, image);
  const shell = stoppable(argv);
  if (shell) {
    return {
      command: shell.map(literal),
      lifecycle: { preStop: { exec: { command: tellAll(argv, { first: true }) } } },
    };
  }
  return {
    ...(command.length > 0 && { command: command.map(literal) }),
    ...(args.length > 0 && { args: args.map(literal) }),
  };
}

/** Never the cluster's own server: it tells by address whose pods there are, and forwards to the outside. */
function dnsOf(spec: RunSpec, { names, dns, open }: PodContext) {
  const options = [{ name: "ndots", value: "1" }];
  if (spec.network === "open") {
    return { nameservers: open?.dns?.length ? [...open.dns] : [NO_DNS], searches: [], options };
  }
  const address = spec.network === "none" ? undefined : dns.address;
  return {
    nameservers: [address ?? NO_DNS],
    searches: [`${names.home(spec)}.svc.${dns.domain}`],
    options,
  };
}

function onlyOn(node: string): object {
  const name = { key: "metadata.name", operator: "In", values: [node] };
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [name] }] },
    },
  };
}

/** Which kinds the configuration may leave out. */
export type KindsOfNodes = Partial<Record<NodeKind, KindOfNode>>;

/** Kubernetes would put variables in place of `$(NAME)`; a doubled `$` is a plain one. */
function literal(text: string): string {
  return text.replaceAll("$", "$$$$");
}

/** At least one second: a pod deleted with none is forgotten before it has ended. */
export function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
