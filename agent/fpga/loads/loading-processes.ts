import fs from "node:fs";
import { LOAD_MARK } from "./load-task.ts";

/**
 * Processes that still work on a load with this mark, also of an agent that has died: one that a driver does not let go
 * stays after every kill, and may program the device yet.
 */
export function loadingProcesses(mark: string): number[] {
  const wanted = `${LOAD_MARK}=${mark}`;
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(wanted))
    .map(Number);
}

/** Ends them as far as they can be ended. @param but not this one @returns how many there were */
export function killLoading(mark: string, but?: number): number {
  const found = loadingProcesses(mark).filter((pid) => pid !== but);
  for (const pid of found) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it has just ended
    }
  }
  return found.length;
}

/** A process that has ended, or is another user's, has none that we see. */
function environmentOf(pid: string): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
