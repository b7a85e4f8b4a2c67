/** The name of the step at which this process is to die, for tests of what survives; unset in real life. */
const killAt = process.env.PERIGEE_KILL_AT;

/** A step of the code path at which a death would hurt most. Dies here, as by a power cut, if told to. */
export function killPoint(name: string): void {
  if (killAt === name) process.kill(process.pid, "SIGKILL");
}
