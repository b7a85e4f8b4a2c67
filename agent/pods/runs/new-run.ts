import { wholeSeconds } from "../container-state.ts";
import type { RunInput, RunRecord } from "./run-record.ts";

/** The record of a run that was just accepted: due at once, or when its time comes. Pure. */
export function newRun(
  { id, user, volumes, input }: { id: string; user: string; volumes: RunRecord["volumes"]; input: RunInput },
  now: number,
): Omit<RunRecord, "n"> {
  const { pod, scheduledAt } = input;
  const same = { run: id, user, pod, volumes, input, acceptedAt: now, flushed: false, removed: false };
  if (scheduledAt === undefined || scheduledAt <= now) {
    return { ...same, phase: "waiting", reason: "ContainerCreating", dueAt: now };
  }
  const message = `Scheduled to start at ${wholeSeconds(scheduledAt)}`;
  return { ...same, phase: "scheduled", reason: "Scheduled", message };
}
