import { readFileSync } from "node:fs";

/**
 * An identifier for the process `pid` that no other process gets, not even after a reboot: pid, start time
 * and boot id. Without /proc it is the pid alone. Undefined when there is no such process.
 */
export function processMark(pid: number): string | undefined {
  try {
    // the command name before it is in brackets and may contain anything, including spaces
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

/** Is the process with this mark still running? */
export function isRunning(mark: string): boolean {
  const pid = Number.parseInt(mark, 10);
  return pid > 0 && processMark(pid) === mark;
}

/** Was it a process of this machine, since that was started, and has ended? Of any other nothing is known. */
export function hasEnded(mark: string): boolean {
  const boot = mark.split("-")[2];
  return boot !== undefined && processMark(process.pid)?.split("-")[2] === boot && !isRunning(mark);
}
