import { existsSync } from "node:fs";
import { run, systemEnvironment } from "../../../scripts/debian-packages.ts";
import type { Addresses } from "./addresses.ts";
import { hostLinkOf, namespaceOf } from "./places.ts";
import { spawnToEnd } from "./spawn-to-end.ts";

const COMMAND_MS = 60_000;

/** The bridge that a node's pods hang on. */
export const POD_BRIDGE = "pods0";

/** `argv` that runs in a node's network namespace. */
export function within(slot: number, node: number, argv: readonly string[]): string[] {
  return ["nsenter", `--net=/var/run/netns/${namespaceOf(slot, node)}`, "--", ...argv];
}

/** Routes of this machine, as `ip` tells them. */
export function routes(): Promise<string> {
  return spawnToEnd("ip", ["-4", "route"], { env: systemEnvironment(), timeoutMs: COMMAND_MS });
}

/** Two network namespaces: this machine — first node — second node, with routes between their pods. */
export async function makeNetwork(slot: number, a: Addresses): Promise<void> {
  const ip = (...args: string[]) => run("ip", args, COMMAND_MS);
  const on = (node: number, ...argv: string[]) => {
    const [program, ...args] = within(slot, node, argv);
    return run(program!, args, COMMAND_MS);
  };
  const [first, second] = [namespaceOf(slot, 1), namespaceOf(slot, 2)];
  const link = hostLinkOf(slot);
  await ip("netns", "add", first);
  await ip("netns", "add", second);
  await ip("link", "add", link, "type", "veth", "peer", "name", "up0", "netns", first);
  await ip("addr", "add", `${a.host}/30`, "dev", link);
  await ip("link", "set", link, "up");
  await on(1, "ip", "addr", "add", `${a.nodes[0]}/30`, "dev", "up0");
  await on(1, "ip", "link", "add", "down0", "type", "veth", "peer", "name", "up0", "netns", second);
  await on(1, "ip", "addr", "add", `${a.link}/30`, "dev", "down0");
  await on(2, "ip", "addr", "add", `${a.nodes[1]}/30`, "dev", "up0");
  for (const [node, device] of [
    [1, "lo"],
    [1, "up0"],
    [1, "down0"],
    [2, "lo"],
    [2, "up0"],
  ] as const) {
    await on(node, "ip", "link", "set", device, "up");
  }
  await on(1, "ip", "route", "add", "default", "via", a.host);
  await on(2, "ip", "route", "add", "default", "via", a.link);
  await on(1, "ip", "route", "add", a.pods[1], "via", a.nodes[1]);
  await ip("route", "add", a.network, "via", a.nodes[0]);
  for (const node of [1, 2]) {
    await on(node, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    // two pods on one bridge meet the policies too
    await on(node, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1");
  }
}

/** Removes what {@link makeNetwork} made; what is not there is no error. */
export async function removeNetwork(slot: number): Promise<void> {
  for (const node of [2, 1]) {
    const name = namespaceOf(slot, node);
    if (existsSync(`/var/run/netns/${name}`)) await run("ip", ["netns", "del", name], COMMAND_MS);
  }
  // the link goes with the namespace of its other end, unless that was never made
  if (existsSync(`/sys/class/net/${hostLinkOf(slot)}`)) {
    await run("ip", ["link", "del", hostLinkOf(slot)], COMMAND_MS).catch(() => {});
  }
}
