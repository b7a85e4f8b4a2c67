import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/debian-packages.ts";
import { endCgroup, removeCgroup } from "./cgroups.ts";
import { Daemons } from "./daemons.ts";
import { removeNetwork } from "./network.ts";
import type { Places } from "./places.ts";

const COMMAND_MS = 60_000;
const CONTAINER_LOGS = "/var/log/containers";

/**
 * Ends all of a cluster and removes all that it left, whatever state it is in: also one whose start was cut, or
 * whose starter was killed. All data goes. May be repeated.
 */
export async function takeDown(places: Places): Promise<void> {
  // first what could start a container again, then the containers: an engine that is dead cannot end them
  await new Daemons(places.run).endAll();
  for (const node of [1, 2]) await endCgroup(places.slot, node);
  await unmountBelow(places.run);
  await removeNetwork(places.slot);
  for (const node of [1, 2]) removeCgroup(places.slot, node);
  removeLogLinks(places.run);
  await restoreSysctls(places.run);
  rmSync(places.run, { recursive: true, force: true });
}

async function unmountBelow(directory: string): Promise<void> {
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
    .filter((path) => path.startsWith(`${directory}/`));
  for (const path of mounts.sort().reverse()) await run("umount", ["-l", path], COMMAND_MS).catch(() => {});
}

/** The kubelet links every container's log in a directory that no setting moves. */
function removeLogLinks(directory: string): void {
  if (!existsSync(CONTAINER_LOGS)) return;
  for (const name of readdirSync(CONTAINER_LOGS)) {
    const link = join(CONTAINER_LOGS, name);
    if (!lstatSync(link).isSymbolicLink()) continue;
    if (readlinkSync(link).startsWith(`${directory}/`)) unlinkSync(link);
  }
}

/** A kubelet sets these for the whole machine. */
const SYSCTLS = ["vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops"];
const savedFile = (directory: string) => join(directory, "sysctls");

/** Notes what {@link takeDown} is to put back: before a kubelet starts. */
export async function saveSysctls(directory: string): Promise<void> {
  writeFileSync(savedFile(directory), await run("sysctl", SYSCTLS, COMMAND_MS));
}

async function restoreSysctls(directory: string): Promise<void> {
  if (existsSync(savedFile(directory))) await run("sysctl", ["-q", "-p", savedFile(directory)], COMMAND_MS);
}
