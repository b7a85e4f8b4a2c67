import { SessionFailure } from "../sessions/pod-sessions.ts";
import type { LiveTargets } from "./live-target.ts";

/** Finds what a session works in where it belongs: with the pods or with the runners. */
export function allTargets(of: { pods: LiveTargets; runners: LiveTargets | undefined }): LiveTargets {
  return {
    open(user, target, kind) {
      if ("pod" in target) return of.pods.open(user, target, kind);
      if (of.runners) return of.runners.open(user, target, kind);
      throw new SessionFailure("UNSUPPORTED", "this edge has no runners");
    },
  };
}
