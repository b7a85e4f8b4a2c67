import type { LiveEnd } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { SessionFailure } from "../sessions/pod-sessions.ts";
import type { TargetEnd } from "./live-target.ts";

/** Most characters of a message, as the wire has it. */
const MESSAGE = 8192;

/** How a session ends whose work threw. */
export function endOf(error: unknown): LiveEnd {
  const code = error instanceof SessionFailure ? error.code : "ENGINE";
  const message = error instanceof SessionFailure ? error.message : "the engine failed";
  return { type: "error", code, message: message.slice(0, MESSAGE) };
}

/**
 * As {@link endOf}, of work in a target. Its programs are gone a moment before it is known why it ended, so that is
 * waited for.
 */
export async function endIn(target: AbortSignal, error: unknown): Promise<LiveEnd> {
  const end = endOf(error);
  if (end.type === "error" && end.code === "GONE") await abortedWithin(target, LIVE_LIMITS.whyGoneMs);
  return target.aborted ? endOfTarget(target) : end;
}

/** How a session ends whose target does. */
export function endOfTarget(ended: AbortSignal): LiveEnd {
  const reason = ended.reason as TargetEnd;
  return reason?.type === "timeout" || reason?.type === "error"
    ? reason
    : { type: "error", code: "STOPPED", message: "what the session worked in has ended" };
}

function abortedWithin(signal: AbortSignal, ms: number): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
