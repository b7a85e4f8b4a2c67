/** IPv4 addresses of a range such as `127.88.0.0/16`, without its first and its last. */
export type AddressRange = { size: number; at(n: number): string; has(address: string): boolean };

/** @param cidr as the configuration has it, checked; pure */
export function addressRange(cidr: string): AddressRange {
  const [address = "", bits] = cidr.split("/");
  const block = 2 ** (32 - Number(bits));
  const given = toNumber(address);
  const first = given - (given % block) + 1;
  const size = block - 2;
  return {
    size,
    has: (one) => toNumber(one) >= first && toNumber(one) < first + size,
    at: (n) => [24, 16, 8, 0].map((shift) => ((first + n) >>> shift) & 255).join("."),
  };
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
