import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/debian-packages.ts";
import { makeCgroup } from "./cgroups.ts";
import type { ClusterParts } from "./control-plane.ts";
import { POD_BRIDGE, within } from "./network.ts";
import {
  containerdConfig,
  kubeletConfig,
  NO_REGISTRY,
  type NodePlace,
  networkConfig,
  onboardRegistry,
  type Pulls,
} from "./node-config.ts";
import { cniDirectory } from "./packages.ts";

const COMMAND_MS = 180_000;

export function nodePlace({ places, addresses }: ClusterParts, number: 1 | 2): NodePlace {
  return {
    number,
    name: `node${number}`,
    directory: join(places.run, `node${number}`),
    address: addresses.nodes[number - 1]!,
  };
}

export function containerdSocket(node: NodePlace): string {
  return join(node.directory, "containerd.sock");
}

/** Starts a node's container engine; {@link fillContainerd} when it answers. */
export async function startContainerd(parts: ClusterParts, node: NodePlace, pulls: Pulls): Promise<void> {
  const file = (name: string, content: string) => {
    const path = join(node.directory, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  file("cni/10-pods.conflist", networkConfig(node, parts.addresses));
  file("registries/_default/hosts.toml", NO_REGISTRY);
  file(`registries/${pulls.registry}/hosts.toml`, onboardRegistry(pulls));
  const { programs, daemons, places } = parts;
  const shim = programs.path("containerd-shim-runc-v2");
  const config = file("containerd.toml", containerdConfig(node, shim, cniDirectory()!));
  await daemons.start(
    `containerd${node.number}`,
    within(places.slot, node.number, [programs.path("containerd"), "-c", config]),
  );
}

export async function containerdAnswers({ programs }: ClusterParts, node: NodePlace): Promise<boolean> {
  if (!existsSync(containerdSocket(node))) return false;
  return run(programs.path("ctr"), ["-a", containerdSocket(node), "version"], COMMAND_MS).then(
    () => true,
    () => false,
  );
}

/** Gives a node the image that every pod begins with. */
export async function fillContainerd({ programs }: ClusterParts, node: NodePlace, pauseArchive: string) {
  const args = ["-a", containerdSocket(node), "-n", "k8s.io", "images", "import", pauseArchive];
  await run(programs.path("ctr"), args, COMMAND_MS);
}

/** Starts kubelet, proxy and policy engine of a node. */
export async function startNode(parts: ClusterParts, node: NodePlace, labels: readonly string[]) {
  const { places, addresses, programs, keys, daemons } = parts;
  const cgroup = makeCgroup(places.slot, node.number);
  const config = join(node.directory, "kubelet.json");
  mkdirSync(join(node.directory, "kubelet"), { recursive: true });
  mkdirSync(join(node.directory, "podlogs"), { recursive: true });
  writeFileSync(config, kubeletConfig(node, addresses, cgroup));
  const here = (argv: string[]) => within(places.slot, node.number, argv);
  await daemons.start(
    `policy${node.number}`,
    here([
      programs.path("policy"),
      `--kubeconfig=${keys.kubeconfig("admin")}`,
      ...[`--node=${node.name}`, `--bridge=${POD_BRIDGE}`, `--pod-cidr=${addresses.pods[node.number - 1]}`],
    ]),
  );
  await daemons.start(
    `kubelet${node.number}`,
    here([
      programs.path("kubelet"),
      ...[`--config=${config}`, `--kubeconfig=${keys.kubeconfig(`node${node.number}`)}`],
      ...[`--hostname-override=${node.name}`, `--node-ip=${node.address}`],
      `--root-dir=${join(node.directory, "kubelet")}`,
      `--cert-dir=${join(node.directory, "pki")}`,
      `--node-labels=${labels.join(",")}`,
    ]),
  );
  await daemons.start(
    `proxy${node.number}`,
    here([
      programs.path("kube-proxy"),
      `--kubeconfig=${keys.kubeconfig("proxy")}`,
      `--hostname-override=${node.name}`,
      ...["--proxy-mode=iptables", `--cluster-cidr=${addresses.allPods}`],
      // the machine's own limits stay as they are
      ...["--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0"],
      "--conntrack-tcp-timeout-close-wait=0",
      ...["--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249"],
    ]),
  );
}

/** Are a node's policies in force? */
export async function policiesHold(parts: ClusterParts, node: NodePlace): Promise<boolean> {
  const [program, ...args] = within(parts.places.slot, node.number, [
    "nft",
    "list",
    "table",
    "ip",
    "perigee",
  ]);
  return run(program!, args, COMMAND_MS).then(
    () => true,
    () => false,
  );
}

/** The end of a daemon's log. */
export function logTail(parts: Pick<ClusterParts, "daemons">, name: string, lines = 20): string {
  const path = parts.daemons.log(name);
  if (!existsSync(path)) return "";
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}
