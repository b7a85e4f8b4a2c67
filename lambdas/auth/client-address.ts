import { isIP } from "node:net";
import type { Context } from "hono";
import type { GroundEnv } from "../http/env.ts";

export type ClientAddressOptions = {
  /** believe the last entry of X-Forwarded-For, which our own proxy wrote (default false) */
  trustProxy?: boolean;
};

/** The address that log-in attempts are counted by: the peer's, or what a trusted proxy says. */
export function clientAddress(c: Context<GroundEnv>, options: ClientAddressOptions = {}): string {
  const forwarded = options.trustProxy
    ? c.req.header("x-forwarded-for")?.split(",").at(-1)?.trim()
    : undefined;
  const peer = c.env?.incoming?.socket.remoteAddress ?? c.env?.remoteAddress;
  return countedAddress(forwarded) ?? countedAddress(peer) ?? "unknown";
}

/**
 * One name per client: an IPv4 address itself (also when mapped into IPv6), an IPv6 address by its /64, which is what
 * one client usually gets. Undefined when the text is not an address.
 */
export function countedAddress(text: string | undefined): string | undefined {
  const address = text?.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (address === undefined || isIP(address) === 0) return undefined;
  if (isIP(address) === 4) return address;
  const groups = ipv6Groups(address);
  const [a, b, c, d, e, f, g, h] = groups;
  if (!a && !b && !c && !d && !e && f === 0xffff) return [g! >> 8, g! & 255, h! >> 8, h! & 255].join(".");
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`;
}

/** The eight groups of a valid IPv6 address. */
function ipv6Groups(address: string): number[] {
  // The URL parser writes an embedded IPv4 address as two groups.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [left = "", right] = canonical.split("::");
  const parse = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const head = parse(left);
  const tail = right === undefined ? [] : parse(right);
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
