import { readFileSync } from "node:fs";

/**
 * A name for the process `pid` that no other process gets, also after a restart or a reboot: pid, start time
 * and boot. Without /proc it is the pid alone. Undefined when there is no such process.
 */
export function processMark(pid: number): string | undefined {
  try {
    // the command name before it is in brackets and may hold anything, spaces too
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8);
    return `${pid}-${started}-${boot}`;
  } catch {
    try {
      process.kill(pid, 0);
      return String(pid);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? String(pid) : undefined;
    }
  }
}

/** Does the process that got this mark still run? */
export function isRunning(mark: string): boolean {
  const pid = Number.parseInt(mark, 10);
  return pid > 0 && processMark(pid) === mark;
}
