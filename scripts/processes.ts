import { readFileSync } from "node:fs";

/** Is a process of this id there (whoever owns it)? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return !isZombie(pid);
}

/**
 * Command line of a process, its words separated by blanks; "" when there is no such process. Ids are reused:
 * look at this before believing a pid file.
 */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

/** One variable of the environment a process was started with; undefined when it is not there or not ours to read. */
export function environmentOf(pid: number, name: string): string | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  } catch {
    return undefined;
  }
}

/** The process id in a pid file, or undefined when there is none to be read. */
export function readPidFile(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Waits until `done` says so, looking every 100 ms: for what tells nobody when it happens. */
export async function until(done: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    if (await done()) return true;
    if (performance.now() >= end) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Ends a process by its id: SIGTERM, after `graceMs` SIGKILL. Returns when it is gone. */
export async function endProcess(pid: number, graceMs: number): Promise<void> {
  if (!signal(pid, "SIGTERM")) return;
  if (await until(() => !isAlive(pid), graceMs)) return;
  signal(pid, "SIGKILL");
  await until(() => !isAlive(pid), 5_000);
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

function isZombie(pid: number): boolean {
  try {
    // "pid (name) state …"; the name may hold anything, so look behind the last parenthesis
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return false;
  }
}
