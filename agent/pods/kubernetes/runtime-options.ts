import type { ImageHandover } from "../../images/handover/image-handover.ts";
import type { ImageCommand } from "../argv-of-run.ts";
import type { KubernetesApi } from "./api.ts";
import type { ClusterDns, UserQuota, VolumeStorage } from "./namespace.ts";
import type { KindsOfNodes, PodContext } from "./pod.ts";
import type { RunnerSettings } from "./runner-network.ts";

export type KubernetesRuntimeOptions = {
  api: KubernetesApi;
  /** unique per agent: label of everything it makes */
  instance: string;
  /** secret from which names are derived, so that nobody can guess them; default `instance` */
  secret?: string;
  /** begins the names of namespaces; default `perigee` */
  prefix?: string;
  kinds: KindsOfNodes;
  limits: PodContext["limits"];
  requests: PodContext["requests"];
  quota: UserQuota;
  dns: ClusterDns;
  storage: VolumeStorage;
  /** what runners have together and each for itself; default: that of pods, `LIMITS.runners`, and no network */
  runners?: RunnerSettings;
  /** networks that reach runs with an address on their ports, as `192.0.2.0/24`; default: none */
  from?: readonly string[];
  /** default 300 */
  nodeLostSeconds?: number;
  images: ImageHandover;
  /** the image's WORKDIR @throws ImageMissing */
  workdir(imageId: string): Promise<string>;
  /** what the image runs by itself; default: nothing is known of it @throws ImageMissing */
  commandOf?(imageId: string): Promise<ImageCommand>;
  /** ms that a start may take before it says {@link NotStartedYet}; default 5 000 */
  startMs?: number;
  /** ms that the cluster may take to end a pod before the call fails, to be repeated; default 60 000 */
  settleMs?: number;
};
