import { readFileSync } from "node:fs";

/**
 * The name of the kill point at which this process dies, for fault tests; unset in production.
 * `@<path>`: the name is read from that file, once it exists, so that a test can set it while the process runs.
 */
const killAt = process.env.PERIGEE_KILL_AT;

/** Marks a step for fault tests. If it is the chosen one, the process is killed here, as by a power cut. */
export function killPoint(name: string): void {
  if (killAt === undefined) return;
  const wanted = killAt.startsWith("@") ? nameIn(killAt.slice(1)) : killAt;
  if (wanted === name) process.kill(process.pid, "SIGKILL");
}

function nameIn(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
