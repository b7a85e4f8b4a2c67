import { LIMITS } from "#protocol/limits.ts";
import type { RunnerEnd } from "#protocol/runners.ts";
import type { EnvironmentRecord, HandedRecord } from "./records.ts";

/**
 * Why a runner that was handed out is gone; undefined while it is not. PUT and DELETE of an environment end its runners
 * without a write to them, and a ground without contact ends what must have ended by itself. Pure.
 */
export function endOf(
  runner: HandedRecord,
  environment: EnvironmentRecord | undefined,
  now: number,
): { end: RunnerEnd; at: number } | undefined {
  const { end, endedAt = now, inactivityMs, activeAt } = runner;
  if (end) return { end, at: endedAt };
  if (!environment) return { end: "deleted", at: now };
  if (environment.generation !== runner.generation) return { end: "replaced", at: environment.at };
  if (inactivityMs === undefined) return undefined;
  const over = activeAt + inactivityMs;
  return now > over + LIMITS.runnerLeaveMs ? { end: "inactive", at: over } : undefined;
}
