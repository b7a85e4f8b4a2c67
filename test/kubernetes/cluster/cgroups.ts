import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, until } from "../../../scripts/processes.ts";
import { namespaceOf } from "./places.ts";

const END_MS = 10_000;
const ROOT = "/sys/fs/cgroup";
const CONTROLLERS = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"];

/** Makes a node's own cgroup in every hierarchy and returns its name as the kubelet wants it. */
export function makeCgroup(slot: number, node: number): string {
  const name = namespaceOf(slot, node);
  if (isUnified()) {
    const there = readFileSync(join(ROOT, "cgroup.controllers"), "utf8").trim().split(" ");
    enable(ROOT, there);
    mkdirSync(join(ROOT, name), { recursive: true });
    enable(join(ROOT, name), there);
    return `/${name}`;
  }
  for (const controller of CONTROLLERS) {
    if (!existsSync(join(ROOT, controller))) continue;
    const directory = join(ROOT, controller, name);
    mkdirSync(directory, { recursive: true });
    if (controller !== "cpuset") continue;
    // a new cpuset is empty, and nothing starts in it
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      writeFileSync(join(directory, file), readFileSync(join(ROOT, controller, file)));
    }
  }
  return `/${name}`;
}

/** Ends every process in a node's cgroup: its pods' containers. */
export async function endCgroup(slot: number, node: number): Promise<void> {
  const left = () => placesOf(slot, node).flatMap(processesIn);
  await until(() => {
    for (const pid of left()) endNow(pid);
    return left().length === 0;
  }, END_MS);
}

/** Removes a node's cgroup; no process may be left in it. */
export function removeCgroup(slot: number, node: number): void {
  for (const place of placesOf(slot, node)) removeTree(place);
}

/** A node's cgroup in every hierarchy that there may be. */
function placesOf(slot: number, node: number): string[] {
  const hierarchies = [ROOT, ...[...CONTROLLERS, "unified"].map((controller) => join(ROOT, controller))];
  return hierarchies.map((place) => join(place, namespaceOf(slot, node))).filter(existsSync);
}

function processesIn(directory: string): number[] {
  const below = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => processesIn(join(directory, entry.name)));
  return [...readPids(join(directory, "cgroup.procs")), ...below].filter(isAlive);
}

function readPids(file: string): number[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function endNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

function isUnified(): boolean {
  return existsSync(join(ROOT, "cgroup.controllers"));
}

function enable(directory: string, controllers: readonly string[]): void {
  for (const controller of ["cpu", "cpuset", "io", "memory", "pids"]) {
    if (!controllers.includes(controller)) continue;
    writeFileSync(join(directory, "cgroup.subtree_control"), `+${controller}`);
  }
}

/** Directories only, innermost first: the files of a cgroup cannot be removed. */
function removeTree(directory: string): void {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(directory, entry.name));
  }
  try {
    rmdirSync(directory);
  } catch {
    // a process that is just ending still holds it
  }
}
