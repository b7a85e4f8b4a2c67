import { afterInput } from "#protocol/after-input.ts";
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
    const late = Promise.withResolvers<boolean>();
    const inTime = afterInput(stopMs, () => late.resolve(false));
    const ended = await Promise.race([over.then(() => true), late.promise]);
    inTime();
    return ended;
  };
  // what takes no bytes would be waited for without end, and the time counts from here
  const tried = (work: Promise<unknown>) => {
    work.catch(() => {});
    return ends();
  };
  if (exec.stop === "quit") {
    // to the terminal's foreground group, as the key does
    const quit = exec.terminal ? execution.write(Buffer.from([0x1c])) : execution.signal("SIGQUIT");
    if (!(await tried(quit))) await target.endUnstoppable?.().catch(() => {});
    return;
  }
  if (await tried(execution.signal(exec.terminal ? "SIGHUP" : "SIGTERM"))) return;
  await tried(execution.signal("SIGKILL"));
}
