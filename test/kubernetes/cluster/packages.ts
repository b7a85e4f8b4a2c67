import { existsSync } from "node:fs";
import { canInstall, findProgram, installPackages } from "../../../scripts/debian-packages.ts";

/** Program and the Debian package that has it. */
const NEEDED: Record<string, string> = {
  runc: "runc",
  iptables: "iptables",
  conntrack: "conntrack",
  nft: "nftables",
  ip: "iproute2",
  sysctl: "procps",
  openssl: "openssl",
  nsenter: "util-linux",
  busybox: "busybox-static",
};
const CNI_DIRECTORIES = ["/usr/lib/cni", "/opt/cni/bin"];

/** Folder of the network plugins, undefined when there is none. */
export function cniDirectory(): string | undefined {
  return CNI_DIRECTORIES.find((directory) => existsSync(`${directory}/bridge`));
}

/** Makes sure of the system's programs that nodes need. @throws Error that names them where we may not install */
export async function ensurePackages(say: (line: string) => void): Promise<void> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new Error("A throwaway cluster needs root on Linux; elsewhere set KUBECONFIG to a cluster");
  }
  const missing = Object.entries(NEEDED).filter(([program]) => !findProgram(program));
  const packages = [...new Set(missing.map(([, name]) => name))];
  if (!cniDirectory()) packages.push("containernetworking-plugins");
  if (packages.length === 0) return;
  if (!canInstall()) throw new Error(`A throwaway cluster needs ${packages.join(", ")}: install them first`);
  await installPackages(packages, say);
}
