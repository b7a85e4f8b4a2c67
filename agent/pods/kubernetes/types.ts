/** What the API server tells of objects, as far as it is read here. Times are RFC 3339 texts, as on the wire. */

export type Metadata = {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
};

type Condition = {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  /** when `status` became what it is */
  lastTransitionTime?: string;
};

export type ContainerStateOfPod = {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: {
    exitCode: number;
    reason?: string;
    message?: string;
    startedAt?: string;
    finishedAt?: string;
  };
};

export type Pod = {
  metadata: Metadata;
  spec: {
    nodeName?: string;
    schedulingGates?: { name: string }[];
    activeDeadlineSeconds?: number;
    terminationGracePeriodSeconds?: number;
    containers: {
      command?: string[];
      args?: string[];
      workingDir?: string;
      volumeMounts?: { mountPath: string }[];
    }[];
  };
  status?: {
    phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
    reason?: string;
    message?: string;
    /** when its node took it */
    startTime?: string;
    podIP?: string;
    conditions?: Condition[];
    containerStatuses?: {
      state?: ContainerStateOfPod;
      /** the one before, which a node also makes up for a container that it has lost */
      lastState?: ContainerStateOfPod;
      containerID?: string;
      restartCount?: number;
    }[];
  };
};

export type Node = {
  metadata: Metadata;
  spec?: {
    unschedulable?: boolean;
    taints?: { key: string; value?: string; effect: string }[];
    podCIDRs?: string[];
  };
  status?: { conditions?: Condition[]; addresses?: { type: string; address: string }[] };
};

export type Claim = {
  metadata: Metadata;
  spec?: { volumeName?: string };
  status?: { phase?: string };
};

export type Volume = { metadata: Metadata; status?: { phase?: string } };

/** An object to be made: what the API server checks, we do not. */
export type Manifest = {
  apiVersion: string;
  kind: string;
  metadata: Partial<Metadata> & { name: string; ownerReferences?: object[] };
  spec?: object;
  [field: string]: unknown;
};
