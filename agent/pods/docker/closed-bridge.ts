import { readFileSync, writeFileSync } from "node:fs";

/**
 * What makes this machine deaf on a bridge without an address. `rp_filter`: a packet whose sender is not routed back
 * by the way it came is dropped, and no pod is: unicast, broadcast and multicast alike. `arp_ignore`: none of the
 * machine's addresses is told. IPv6 has addresses of its own making, so it is off; nothing is passed on either.
 */
const DEAF: readonly (readonly [path: string, value: string])[] = [
  ["ipv4/conf/BRIDGE/rp_filter", "1"],
  ["ipv4/conf/BRIDGE/arp_ignore", "8"],
  ["ipv4/conf/BRIDGE/forwarding", "0"],
  ["ipv6/conf/BRIDGE/disable_ipv6", "1"],
];

/**
 * Sees to it that this machine takes nothing from the bridge. Reading is cheap, so ask before every use: others on the
 * machine set such values too, when a bridge appears.
 * @param root default `/proc/sys/net`
 * @returns what could not be set, as the machine said it; empty when the bridge is closed
 */
export function closeBridge(bridge: string, root = "/proc/sys/net"): string[] {
  return DEAF.flatMap(([template, value]) => {
    const path = `${root}/${template.replace("BRIDGE", bridge)}`;
    try {
      if (readFileSync(path, "utf8").trim() !== value) writeFileSync(path, value);
      return [];
    } catch (error) {
      // A kernel without IPv6 has nothing to close there.
      if (path.startsWith(`${root}/ipv6/`) && !isThere(`${root}/ipv6/conf/all/disable_ipv6`)) return [];
      return [`${path}: ${(error as Error).message}`];
    }
  });
}

function isThere(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
