import { join } from "node:path";
import type { Addresses } from "./addresses.ts";
import { POD_BRIDGE } from "./network.ts";

export const PAUSE_IMAGE = "perigee.invalid/pause:1";

/** Where one node keeps its things and who it is. */
export type NodePlace = { number: 1 | 2; name: string; directory: string; address: string };

/** Where nodes pull images from: `host:port`, and the header that lets them in. */
export type Pulls = { registry: string; authorization: string };

/** containerd's configuration; `shim` is the program beside each pod, `cni` the folder of the network plugins. */
export function containerdConfig(node: NodePlace, shim: string, cni: string): string {
  const at = (name: string) => JSON.stringify(join(node.directory, name));
  return `version = 3
root = ${at("containerd")}
state = ${at("containerd-state")}

[grpc]
  address = ${at("containerd.sock")}
[plugins."io.containerd.internal.v1.opt"]
  path = ${at("opt")}
[plugins."io.containerd.nri.v1.nri"]
  # its socket is the machine's
  disable = true
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.cri.v1.images"]
  pinned_images = { sandbox = "${PAUSE_IMAGE}" }
  registry = { config_path = ${at("registries")} }
[plugins."io.containerd.cri.v1.runtime"]
  netns_mounts_under_state_dir = true
  # in a container without CAP_SYS_RESOURCE runc could not lower it
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [${JSON.stringify(cni)}]
    conf_dir = ${at("cni")}
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    # by its path: there may be another one in PATH
    runtime_path = ${JSON.stringify(shim)}
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

/** `hosts.toml` of the onboard registry: plain HTTP, and the nodes' own credentials. */
export function onboardRegistry({ registry, authorization }: Pulls): string {
  return `server = "http://${registry}"
[host."http://${registry}"]
  capabilities = ["pull", "resolve"]
  [host."http://${registry}".header]
    Authorization = ${JSON.stringify(authorization)}
`;
}

/** `hosts.toml` of every other registry: refused at once, not after a time-out of the DNS. */
export const NO_REGISTRY = `server = "http://127.0.0.1:1"
[host."http://127.0.0.1:1"]
  capabilities = ["pull", "resolve"]
`;

/** The network plugins' configuration. */
export function networkConfig(node: NodePlace, addresses: Addresses): string {
  const bridge = {
    type: "bridge",
    bridge: POD_BRIDGE,
    isGateway: true,
    ipMasq: false,
    hairpinMode: true,
    ipam: {
      type: "host-local",
      dataDir: join(node.directory, "ipam"),
      ranges: [[{ subnet: addresses.pods[node.number - 1] }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  };
  const portmap = { type: "portmap", capabilities: { portMappings: true } };
  return JSON.stringify({ cniVersion: "0.4.0", name: "pods", plugins: [bridge, portmap] });
}

/** The kubelet's configuration (JSON is YAML). */
export function kubeletConfig(node: NodePlace, addresses: Addresses, cgroup: string): string {
  return JSON.stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: node.address,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    containerRuntimeEndpoint: `unix://${join(node.directory, "containerd.sock")}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    podLogsDir: join(node.directory, "podlogs"),
    clusterDNS: [addresses.nodes[0]],
    clusterDomain: "cluster.local",
    healthzPort: 0,
    fileCheckFrequency: "0s",
    nodeStatusUpdateFrequency: "2s",
    nodeLeaseDurationSeconds: 8,
    syncFrequency: "10s",
    podPidsLimit: 512,
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "1%",
      "imagefs.available": "1%",
      "nodefs.inodesFree": "1%",
    },
    imageGCHighThresholdPercent: 100,
  });
}
