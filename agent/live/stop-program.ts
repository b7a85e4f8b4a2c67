import { setTimeout as sleep } from "node:timers/promises";
import type { ExecParameters } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { Execution } from "../sessions/pod-sessions.ts";
import type { OpenTarget } from "./live-target.ts";

type Stopping = {
  exec: ExecParameters;
  target: OpenTarget;
  /** settles when the program has ended */
  over: Promise<unknown>;
  stopMs?: number | undefined;
};

/** Ends a program whose time is over or whose user has gone, by the rule of `exec.stop`. Never throws. */
export async function stopProgram(
  execution: Execution,
  { exec, target, over, stopMs = LIVE_LIMITS.stopMs }: Stopping,
): Promise<void> {
  const ends = async () => {
    const timer = new AbortController();
    const late = sleep(stopMs, true, { signal: timer.signal }).catch(() => true);
    const isLate = await Promise.race([over.then(() => false), late]);
    timer.abort();
    return !isLate;
  };
  const tried = (work: Promise<unknown>) => work.catch(() => {});
  if (exec.stop === "quit") {
    // to the terminal's foreground group, as the key does
    if (exec.terminal) await tried(Promise.race([execution.write(Buffer.from([0x1c])), sleep(stopMs)]));
    else await tried(execution.signal("SIGQUIT"));
    if (!(await ends())) await tried(target.endUnstoppable?.() ?? Promise.resolve());
    return;
  }
  await tried(execution.signal(exec.terminal ? "SIGHUP" : "SIGTERM"));
  if (await ends()) return;
  await tried(execution.signal("SIGKILL"));
  await ends();
}
