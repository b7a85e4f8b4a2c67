import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../files/directory.ts";
import type { RunUsage } from "../pod-runtime.ts";

/** Where the counters of a process' control group are: each controller's own (v1), or one for all (v2). */
export type Cgroup = { cpu: string; memory: string; io: string; unified: boolean };

const ROOT = "/sys/fs/cgroup";

/**
 * The control group that a text of `/proc/<pid>/cgroup` names; undefined where this machine shows it elsewhere.
 * @param root where control groups are mounted
 */
export function cgroupOf(text: string, root = ROOT): Cgroup | undefined {
  const paths = new Map<string, string>();
  for (const line of text.trim().split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    for (const controller of controllers.split(",")) paths.set(controller, path.join(":"));
  }
  const unified = join(root, paths.get("") ?? "/");
  if (paths.has("") && existsSync(join(unified, "cpu.stat")) && !paths.has("cpuacct")) {
    return { cpu: unified, memory: unified, io: unified, unified: true };
  }
  const of = (controller: string) => join(root, controller, paths.get(controller) ?? "/");
  const group = { cpu: of("cpuacct"), memory: of("memory"), io: of("blkio"), unified: false };
  // Beneath another root than ours the path leads to a group that is not the process'.
  const own = ["cpuacct", "memory"].every((one) => (paths.get(one) ?? "/") !== "/");
  return own && existsSync(group.cpu) ? group : undefined;
}

/** What the group has used up to now; undefined once it is gone. */
export function usageOf(group: Cgroup): RunUsage | undefined {
  const { cpu, memory, io, unified } = group;
  try {
    if (unified) {
      const stat = /^usage_usec (\d+)$/m.exec(read(cpu, "cpu.stat"));
      return {
        cpuMs: Number(stat?.[1] ?? 0) / 1000,
        memoryBytes: Number(readOr(memory, "memory.peak") ?? read(memory, "memory.current")),
        ioBytes: sum(readOr(io, "io.stat"), /\b[rw]bytes=(\d+)/g),
      };
    }
    return {
      cpuMs: Number(read(cpu, "cpuacct.usage")) / 1e6,
      memoryBytes: Number(read(memory, "memory.max_usage_in_bytes")),
      ioBytes: sum(readOr(io, "blkio.throttle.io_service_bytes"), /^\d+:\d+ (?:Read|Write) (\d+)$/gm),
    };
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV")) return undefined;
    throw error;
  }
}

function read(directory: string, name: string): string {
  return readFileSync(join(directory, name), "utf8").trim();
}

/** Some kernels lack it. */
function readOr(directory: string, name: string): string | undefined {
  return existsSync(join(directory, name)) ? read(directory, name) : undefined;
}

function sum(text: string | undefined, numbers: RegExp): number {
  return [...(text ?? "").matchAll(numbers)].reduce((total, [, number]) => total + Number(number), 0);
}
