import { createHash } from "node:crypto";
import { SERVICE_ACCOUNT } from "../../pods/kubernetes/names.ts";
import type { KindOfNode } from "../../pods/kubernetes/pod.ts";
import type { Manifest } from "../../pods/kubernetes/types.ts";
import { LABEL } from "../../pods/labels.ts";
import type { FpgaDeviceConfig } from "../device-config.ts";

/** Of loaders alone; the operator makes it (infra/kubernetes/fpga). */
export const NAMESPACE = "perigee-fpga";
/** With the agent's configuration, in that namespace. */
const CONFIG = "perigee-fpga";

export type LoaderPodContext = {
  /** of this agent */
  instance: string;
  /** the agent's own image, as the nodes know it */
  image: string;
  /** the nodes' directory of the files for FPGAs */
  store: string;
  /** nodes of kind FPGA */
  kind: KindOfNode;
};

/** One name for each device: two loaders of it cannot be there. */
export function loaderName({ node }: Pick<FpgaDeviceConfig, "node">, instance: string): string {
  return `loader-${instance}-${createHash("sha256").update(node).digest("hex").slice(0, 12)}`;
}

/**
 * A loader's pod: root on the device's node with the kernel's files, the directory for firmware, and the users' files to
 * read; without privileges, network and token. The admission policy takes no other in its namespace
 * (infra/kubernetes/access/admission.yaml). Pure.
 * @param seconds after which its node ends it, should the agent be gone
 */
export function loaderPod(
  device: Pick<FpgaDeviceConfig, "node" | "root">,
  args: readonly string[],
  seconds: number,
  { instance, image, store, kind }: LoaderPodContext,
): Manifest {
  const root = device.root.replace(/\/+$/, "");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: loaderName(device, instance),
      namespace: NAMESPACE,
      labels: { [LABEL.instance]: instance },
    },
    spec: {
      restartPolicy: "Never",
      serviceAccountName: SERVICE_ACCOUNT,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      activeDeadlineSeconds: seconds,
      terminationGracePeriodSeconds: 1,
      nodeSelector: { ...kind.labels },
      affinity: onlyOn(device.node),
      tolerations: [...(kind.tolerations ?? [])],
      containers: [
        {
          name: "loader",
          image,
          imagePullPolicy: "IfNotPresent",
          command: ["node", "/opt/perigee/dist/fpga-loader.js"],
          args: [...args],
          env: [{ name: "PERIGEE_FPGA_NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
          resources: { requests: { cpu: "10m", memory: "64Mi" } },
          securityContext: {
            runAsUser: 0,
            runAsGroup: 0,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
            seccompProfile: { type: "RuntimeDefault" },
          },
          terminationMessagePath: "/dev/termination-log",
          volumeMounts: [
            { name: "sys", mountPath: "/host/sys" },
            { name: "firmware", mountPath: "/host/lib/firmware" },
            { name: "store", mountPath: "/store", readOnly: true },
            { name: "config", mountPath: "/etc/perigee/fpga", readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: "sys", hostPath: { path: `${root}/sys`, type: "Directory" } },
        { name: "firmware", hostPath: { path: `${root}/lib/firmware`, type: "DirectoryOrCreate" } },
        { name: "store", hostPath: { path: store, type: "DirectoryOrCreate" } },
        { name: "config", configMap: { name: CONFIG } },
      ],
    },
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
