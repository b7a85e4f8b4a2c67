import type { LiveEnd } from "#protocol/live.ts";
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

/** How a session ends whose target does. */
export function endOfTarget(ended: AbortSignal): LiveEnd {
  const reason = ended.reason as TargetEnd;
  return reason?.type === "timeout" || reason?.type === "error"
    ? reason
    : { type: "error", code: "STOPPED", message: "what the session worked in has ended" };
}
