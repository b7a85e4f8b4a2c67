import type { ExecParameters, LiveEnd } from "#protocol/live.ts";
import type { Execution, PodSessions } from "../sessions/pod-sessions.ts";
import { controlsOf } from "./exec-controls.ts";
import type { OpenTarget } from "./live-target.ts";
import { endIn, endOfTarget } from "./session-ends.ts";
import type { SessionLeg } from "./session-leg.ts";
import { stopProgram } from "./stop-program.ts";

export type ServeExecOptions = {
  /** ms that a program has to end by itself once it should (default 3 s) */
  stopMs?: number;
  /** its time is over when this resolves, as if `limitMs` were (for tests) */
  deadline?: Promise<void>;
};

/**
 * Runs one program for a session until it has ended, or until its time is over, its target ends or its user has gone:
 * exactly one end, after all output that there was before it. What then still runs is stopped by the rule of
 * {@link ExecParameters}. Done when nothing of it is left to do; never throws.
 */
export async function serveExec(
  sessions: PodSessions,
  { exec, target, leg }: { exec: ExecParameters; target: OpenTarget; leg: SessionLeg },
  options: ServeExecOptions = {},
): Promise<void> {
  const { limitMs } = exec;
  if (limitMs !== undefined && limitMs <= 0) {
    leg.started();
    leg.end({ type: "timeout" });
    return;
  }
  let execution: Execution;
  try {
    execution = await sessions.exec(target.run, specOf(exec, target), {
      signal: AbortSignal.any([leg.gone, target.ended]),
    });
  } catch (error) {
    leg.end(await endIn(target.ended, error));
    return;
  }
  leg.started();
  const ended = Promise.withResolvers<LiveEnd | undefined>();
  const timer =
    limitMs === undefined ? undefined : setLimit(limitMs, () => ended.resolve({ type: "timeout" }));
  void options.deadline?.then(() => ended.resolve({ type: "timeout" }));
  // a target may live for weeks: a listener left on its signal for each session would leak
  const heard = new AbortController();
  whenAborted(target.ended, heard.signal, () => ended.resolve(endOfTarget(target.ended)));
  whenAborted(leg.gone, heard.signal, () => ended.resolve(undefined));
  leg.onControl(controlsOf(execution));
  void takeInput(execution, exec, leg);
  const over = giveOutput(execution, target.ended, leg).then((end) => ended.resolve(end));
  const end = await ended.promise;
  clearTimeout(timer);
  heard.abort();
  if (end) leg.end(end);
  const runsOn = (end === undefined || end.type === "timeout") && !target.ended.aborted;
  if (runsOn) await stopProgram(execution, { exec, target, over, stopMs: options.stopMs });
  execution.cut();
}

function specOf(exec: ExecParameters, { defaultWorkdir }: OpenTarget) {
  const { argv, as, env, cwd, terminal } = exec;
  return {
    argv,
    as,
    env,
    ...(cwd !== undefined && { cwd }),
    ...(defaultWorkdir !== undefined && { defaultWorkdir }),
    ...(terminal && { terminal: { stderr: terminal.stderr, ...(terminal.size && { size: terminal.size }) } }),
  };
}

async function giveOutput(execution: Execution, target: AbortSignal, leg: SessionLeg): Promise<LiveEnd> {
  try {
    for await (const { stream, data } of execution.output) await leg.output(stream, data);
    return { type: "exit", code: await execution.exit };
  } catch (error) {
    execution.exit.catch(() => {});
    return endIn(target, error);
  }
}

async function takeInput(execution: Execution, { terminal }: ExecParameters, leg: SessionLeg): Promise<void> {
  try {
    for await (const data of leg.input()) await execution.write(data);
    if (terminal) await execution.write(Buffer.from([0x04]));
    else await execution.endInput();
  } catch {
    // cut off with its session, or the program takes none any more
  }
}

/** Longer than a timer can wait for: for ever. */
function setLimit(ms: number, over: () => void): NodeJS.Timeout | undefined {
  return ms > 2 ** 31 - 1 ? undefined : setTimeout(over, ms);
}

function whenAborted(signal: AbortSignal, until: AbortSignal, then: () => void): void {
  if (signal.aborted) then();
  else signal.addEventListener("abort", then, { once: true, signal: until });
}
