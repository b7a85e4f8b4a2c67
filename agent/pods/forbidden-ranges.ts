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
