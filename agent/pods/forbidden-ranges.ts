/**
 * Where a runner with a network never gets to: private, shared, link-local, multicast and reserved addresses, and those
 * of a machine itself. All else is public.
 */
export const FORBIDDEN_IPV4: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  // multicast, and what is above it
  "224.0.0.0/3",
];

/**
 * The same of IPv6. The last five hold IPv4 addresses, the forbidden ones among them: mapped, compatible, translated,
 * 6to4 and Teredo.
 */
export const FORBIDDEN_IPV6: readonly string[] = [
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
  "::ffff:0:0/96",
  "::/96",
  "64:ff9b::/32",
  "2002::/16",
  "2001::/32",
];
