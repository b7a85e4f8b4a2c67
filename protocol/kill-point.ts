import { readFileSync } from "node:fs";

/**
 * The name of the kill point at which this process dies, for fault tests; unset in production.
 * `@<path>`: the name is read from that file, once it exists, so that a test can set it while the process runs.
 */
const killAt = process.env.PERIGEE_KILL_AT;

/** A step at which a death would hurt most. Kills the process, as a power cut would, if this one is chosen. */
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
