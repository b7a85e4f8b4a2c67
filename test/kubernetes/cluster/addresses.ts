/** IPv4 addresses of one cluster, all from one /16 that nothing else on the machine has a route to. */
export type Addresses = {
  /** the /16 */
  network: string;
  /** this machine's end of the link to the first node: registry, and what pods must not reach */
  host: string;
  /** of the nodes, in order; the API server is the first's */
  nodes: readonly [string, string];
  /** the first node's end of the link to the second */
  link: string;
  /** pods of each node */
  pods: readonly [string, string];
  /** pods of all nodes */
  allPods: string;
  services: string;
  /** the API server as pods see it */
  apiService: string;
};

const CANDIDATES = [
  ...[232, 233, 234, 235, 236, 237, 238, 239].map((second) => `10.${second}`),
  ...[24, 25, 26, 27, 28, 29, 30, 31].map((second) => `172.${second}`),
  "198.18",
  "198.19",
];

/** Addresses within the /16 that begins with the octets `prefix` (`10.232`). */
export function addressesIn(prefix: string): Addresses {
  return {
    network: `${prefix}.0.0/16`,
    host: `${prefix}.0.1`,
    nodes: [`${prefix}.0.2`, `${prefix}.1.2`],
    link: `${prefix}.1.1`,
    pods: [`${prefix}.16.0/24`, `${prefix}.17.0/24`],
    allPods: `${prefix}.16.0/20`,
    services: `${prefix}.32.0/24`,
    apiService: `${prefix}.32.1`,
  };
}

/**
 * A /16 that meets no route of this machine. Slots begin at different places, so that two clusters coming up at
 * once do not look at the same.
 * @param routes output of `ip -4 route`
 * @throws Error when there is none
 */
export function chooseAddresses(routes: string, slot: number): Addresses {
  const taken = routes
    .split("\n")
    .map((line) => /^(?:\w+ )?(\d+\.\d+\.\d+\.\d+(?:\/\d+)?)/.exec(line)?.[1])
    .filter((route) => route !== undefined)
    .map(rangeOf);
  for (let i = 0; i < CANDIDATES.length; i++) {
    const candidate = addressesIn(CANDIDATES[(slot + i) % CANDIDATES.length]!);
    const [first, last] = rangeOf(candidate.network);
    if (taken.every(([from, to]) => to < first || from > last)) return candidate;
  }
  throw new Error("no free network for a cluster: this machine has routes to all that were tried");
}

function rangeOf(cidr: string): readonly [first: number, last: number] {
  const [address, bits = "32"] = cidr.split("/");
  const number = address!.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(number / size) * size;
  return [first, first + size - 1];
}
