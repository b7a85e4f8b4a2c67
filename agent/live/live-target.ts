import type { LiveFailure, LiveRequest, LiveTarget } from "#protocol/live.ts";

/** Why a target ended under its sessions: told to each of them as its end. */
export type TargetEnd = { type: "timeout" } | { type: "error"; code: LiveFailure; message: string };

/** A running container that a session works in, and what the session owes it. */
export type OpenTarget = {
  /** as PodRuntime and PodSessions name it */
  run: string;
  defaultWorkdir?: string;
  /** Aborted when the target ends, or is about to be ended; `reason` is a {@link TargetEnd}. */
  ended: AbortSignal;
  /** A program there could not be stopped: ends the whole target. Only runners can be. */
  endUnstoppable?(): Promise<void>;
  /** The session has ended. */
  release(): void;
};

/** Finds what a session works in: one for the runs of pods, one for runners. */
export interface LiveTargets {
  /**
   * Notes that a session begins there (for a runner, its inactivity starts again).
   * @throws SessionFailure GONE: unknown, of another user, or ended without anybody knowing why any more
   */
  open(user: string, target: LiveTarget, kind: LiveRequest["kind"]): OpenTarget | Promise<OpenTarget>;
}
