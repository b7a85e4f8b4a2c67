import { BlockList, isIPv4 } from "node:net";

const RANGES: readonly [network: string, bits: number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];
/** What is global of IPv6, without what carries an IPv4 address or is for documents. */
const GLOBAL6: readonly [network: string, bits: number] = ["2000::", 3];
const RANGES6: readonly [network: string, bits: number][] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const internal = new BlockList();
for (const [network, bits] of RANGES) internal.addSubnet(network, bits, "ipv4");
for (const [network, bits] of RANGES6) internal.addSubnet(network, bits, "ipv6");
const global6 = new BlockList();
global6.addSubnet(...GLOBAL6, "ipv6");

/** Is it an address of this machine, of a network behind it, or of no single machine? */
export function isInternal(address: string): boolean {
  if (isIPv4(address)) return internal.check(address, "ipv4");
  return !global6.check(address, "ipv6") || internal.check(address, "ipv6");
}
