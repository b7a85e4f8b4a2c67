import { type BigIntStats, constants } from "node:fs";
import { opendir, readdir, readFile, stat, statfs } from "node:fs/promises";
import { UNMEASURABLE_BYTES } from "../../files/unmeasurable.ts";

/** Entries that are looked at for one container: who opens or maps more than that hides bytes among them. */
const MOST_LOOKS = 50_000;

/** Of file systems in memory, which their cgroup pays for: tmpfs, hugetlbfs. */
const IN_MEMORY = new Set([0x01021994, 0x958458f6]);

export type Held = {
  /** bytes on disk of files that have no name any more */
  bytes: number;
  /** bytes that processes which run now have written to disks since they began */
  wrote: number;
};

/**
 * What the processes of a container hold open, or mapped, although no name leads to it: no walk of a directory finds
 * it. Files that are on their way through a socket are not seen.
 * @param pid its first process, as this machine counts; nothing is told of what this process may not see
 * @param options.most default 50 000 files and mappings; more than that count as more than any quota
 */
export async function heldFiles(pid: number, options: { most?: number; proc?: string } = {}): Promise<Held> {
  const { most = MOST_LOOKS, proc = "/proc" } = options;
  const found = new Map<string, bigint>();
  let wrote = 0;
  let looks = 0;
  const look = async (path: string): Promise<void> => {
    looks++;
    const stats = await ifThere(stat(path, { bigint: true }));
    if (!stats || !isNameless(stats) || found.has(`${stats.dev} ${stats.ino}`)) return;
    const system = await ifThere(statfs(path));
    if (system && !IN_MEMORY.has(system.type)) found.set(`${stats.dev} ${stats.ino}`, stats.blocks * 512n);
  };
  for (const process of await processesOf(pid, proc)) {
    wrote += await wroteBytes(`${proc}/${process}/io`);
    await look(`${proc}/${process}/exe`);
    // Threads share their open files (seccomp-profile.ts), but the first one may have ended.
    for (const thread of (await ifThere(readdir(`${proc}/${process}/task`))) ?? []) {
      let some = false;
      const open = await ifThere(opendir(`${proc}/${process}/task/${thread}/fd`));
      if (!open) continue;
      try {
        for await (const { name } of open) {
          some = true;
          await look(`${proc}/${process}/task/${thread}/fd/${name}`);
          if (looks > most) return { bytes: UNMEASURABLE_BYTES, wrote };
        }
      } catch {
        // It has ended meanwhile.
      }
      if (some) break;
    }
    const maps = (await ifThere(readFile(`${proc}/${process}/maps`, "latin1"))) ?? "";
    const lines = maps.split("\n");
    looks += lines.length / 100;
    const mapped = new Set<string>();
    for (const line of lines) {
      if (!line.endsWith(" (deleted)")) continue;
      const [range, , , device, inode] = line.split(/ +/, 5);
      if (mapped.has(`${device} ${inode}`)) continue;
      mapped.add(`${device} ${inode}`);
      await look(`${proc}/${process}/map_files/${range}`);
      if (looks > most) return { bytes: UNMEASURABLE_BYTES, wrote };
    }
    if (looks > most) return { bytes: UNMEASURABLE_BYTES, wrote };
  }
  return { bytes: [...found.values()].reduce((sum, bytes) => sum + Number(bytes), 0), wrote };
}

/** Bytes on disk of the files; those that are not there or not ours to see have none. */
export async function allocatedBytes(paths: readonly string[]): Promise<number> {
  let sum = 0;
  for (const path of paths) sum += Number((await ifThere(stat(path)))?.blocks ?? 0) * 512;
  return sum;
}

function isNameless({ mode, nlink }: BigIntStats): boolean {
  return nlink === 0n && (mode & BigInt(constants.S_IFMT)) === BigInt(constants.S_IFREG);
}

/** All processes in the cgroup of `pid`; it alone where cgroups cannot be seen. */
async function processesOf(pid: number, proc: string): Promise<number[]> {
  const lines = ((await ifThere(readFile(`${proc}/${pid}/cgroup`, "utf8"))) ?? "").split("\n");
  const groups = lines.flatMap((line) => {
    const [, hierarchy, controllers, path] = /^(\d+):([^:]*):(\/.+)$/.exec(line) ?? [];
    if (hierarchy === "0" && controllers === "")
      return [`/sys/fs/cgroup${path}`, `/sys/fs/cgroup/unified${path}`];
    return controllers?.split(",").includes("pids") ? [`/sys/fs/cgroup/pids${path}`] : [];
  });
  for (const group of groups) {
    const text = await ifThere(readFile(`${group}/cgroup.procs`, "utf8"));
    const processes = (text ?? "").split("\n").filter(Boolean).map(Number);
    if (processes.includes(pid)) return processes;
  }
  return [pid];
}

async function wroteBytes(path: string): Promise<number> {
  const text = (await ifThere(readFile(path, "utf8"))) ?? "";
  return Number(/^write_bytes: (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Processes end while they are looked at, and some are not ours to see. */
async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch {
    return undefined;
  }
}
