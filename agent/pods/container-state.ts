import type { ContainerState } from "#protocol/operations.ts";

/** Exit code of a run that never ran. */
export const NEVER_RAN = 128;
/** Exit code of what SIGKILL ended. */
export const KILLED = 137;

/** The `terminated` part of a container's state. */
export type Terminated = Extract<ContainerState, { terminated: unknown }>["terminated"];

/** Whole seconds, UTC: `2025-11-20T12:31:12Z`. @param time ms since 1970 */
export function wholeSeconds(time: number): string {
  return `${new Date(Math.floor(time / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** A `terminated` state. */
export function terminated(
  exitCode: number,
  reason: string,
  startedAt: string | null,
  finishedAt: string | null,
  message?: string,
): ContainerState {
  return { terminated: { exitCode, reason, startedAt, finishedAt, ...(message && { message }) } };
}
