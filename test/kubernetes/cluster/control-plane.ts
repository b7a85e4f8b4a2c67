import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Addresses } from "./addresses.ts";
import type { Daemons } from "./daemons.ts";
import type { Keys } from "./keys.ts";
import { within } from "./network.ts";
import type { Places } from "./places.ts";
import type { Programs } from "./programs.ts";

/** Everything that the parts of one cluster are started with. */
export type ClusterParts = {
  places: Places;
  addresses: Addresses;
  programs: Programs;
  keys: Keys;
  daemons: Daemons;
};

/** etcd and the API server, in the first node's network namespace. */
export async function startApiServer(parts: ClusterParts): Promise<void> {
  const { places, addresses, programs, keys, daemons } = parts;
  const etcd = "http://127.0.0.1:2379";
  await daemons.start(
    "etcd",
    within(places.slot, 1, [
      programs.path("etcd"),
      ...["--data-dir", join(places.run, "etcd"), "--unsafe-no-fsync", "--log-level", "warn"],
      ...["--listen-client-urls", etcd, "--advertise-client-urls", etcd],
      ...["--listen-peer-urls", "http://127.0.0.1:2380"],
    ]),
  );
  await daemons.start(
    "apiserver",
    within(places.slot, 1, [
      programs.path("kube-apiserver"),
      `--etcd-servers=${etcd}`,
      ...["--bind-address=0.0.0.0", "--secure-port=6443", `--advertise-address=${addresses.nodes[0]}`],
      `--service-cluster-ip-range=${addresses.services}`,
      `--tls-cert-file=${keys.pki("server.crt")}`,
      `--tls-private-key-file=${keys.pki("server.key")}`,
      `--cert-dir=${keys.pki("")}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${keys.pki("accounts.pub")}`,
      `--service-account-signing-key-file=${keys.pki("accounts.key")}`,
      `--token-auth-file=${keys.pki("tokens.csv")}`,
      ...["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"],
      ...["--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP", "--profiling=false"],
    ]),
  );
}

/** What acts on the API server's word; started before it is ready they meet refusals and back off. */
export async function startControllers(parts: ClusterParts): Promise<void> {
  const { places, addresses, programs, keys, daemons } = parts;
  const alone = ["--leader-elect=false", "--bind-address=127.0.0.1", "--profiling=false"];
  await daemons.start(
    "controllers",
    within(places.slot, 1, [
      programs.path("kube-controller-manager"),
      `--kubeconfig=${keys.kubeconfig("controllers")}`,
      ...alone,
      `--cert-dir=${join(places.run, "pki-controllers")}`,
      "--use-service-account-credentials=true",
      `--service-account-private-key-file=${keys.pki("accounts.key")}`,
      `--root-ca-file=${keys.pki("ca.crt")}`,
      "--pvclaimbinder-sync-period=1s",
      // a lost node is to be noticed within a test
      "--node-monitor-period=2s",
      "--node-monitor-grace-period=14s",
    ]),
  );
  await daemons.start(
    "scheduler",
    within(places.slot, 1, [
      programs.path("kube-scheduler"),
      `--kubeconfig=${keys.kubeconfig("scheduler")}`,
      ...alone,
      `--cert-dir=${join(places.run, "pki-scheduler")}`,
    ]),
  );
  // as infra/kubernetes/dns has it: payloads ask here
  const corefile = join(places.run, "Corefile");
  writeFileSync(
    corefile,
    `cluster.local:53 {
  bind ${addresses.nodes[0]}
  errors
  kubernetes {
    kubeconfig ${keys.kubeconfig("admin")}
    namespace_labels perigee.instance
  }
  cache 2
}
`,
  );
  await daemons.start("dns", within(places.slot, 1, [programs.path("coredns"), "-conf", corefile]));
}
