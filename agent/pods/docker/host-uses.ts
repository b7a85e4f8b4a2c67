import os from "node:os";

/** Does an address of the host lie in this network, or the network in one of the host's? The engine does not look. */
export function hostUses(address: string, prefixLength: number): boolean {
  const own = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  const base = toNumber(address);
  return Object.values(os.networkInterfaces()).some((addresses) =>
    addresses?.some(({ family, address: theirs, netmask }) => {
      if (family !== "IPv4") return false;
      const mask = Math.min(toNumber(netmask), own) >>> 0;
      return (toNumber(theirs) & mask) >>> 0 === (base & mask) >>> 0;
    }),
  );
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
