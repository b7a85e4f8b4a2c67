import { readFileSync, writeFileSync } from "node:fs";

const status = (pid: number, field: string): number => {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
};

/**
 * Watches the resident memory of a process from now on; the function returned gives how far its peak went
 * over what it is now, in bytes.
 */
export function watchMemory(pid: number): () => number {
  // 5 sets the kernel's peak (VmHWM) back to what is resident now
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const before = status(pid, "VmRSS");
  return () => Math.max(0, status(pid, "VmHWM") - before);
}
