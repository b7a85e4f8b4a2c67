import { readFileSync } from "node:fs";

/**
 * The name of the step at which this process is to die, for tests of what survives; unset in real life.
 * `@<path>`: the name is in that file, once it is there, so that a running process can be told.
 */
const killAt = process.env.PERIGEE_KILL_AT;

/** A step of the code path at which a death would hurt most. Dies here, as by a power cut, if told to. */
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
