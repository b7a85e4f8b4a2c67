import { wholeSeconds } from "../container-state.ts";
import type { RunInput, RunRecord } from "./run-record.ts";

/** `pod`: what the run is looked up by, its pod's name with the space if any. */
export type NewRun = Pick<
  RunRecord,
  "user" | "pod" | "volumes" | "provider" | "kept" | "fpga" | "pinnedImage"
> & {
  id: string;
  input: RunInput;
};

/** The record of a run that was just accepted: due at once, or when its time comes. Pure. */
export function newRun(
  { id, user, pod, volumes, input, provider, kept, fpga, pinnedImage }: NewRun,
  now: number,
): Omit<RunRecord, "n"> {
  const { scheduledAt } = input;
  const state = {
    flushed: false,
    removed: false,
    ...(provider && { provider }),
    ...(kept && { kept }),
    ...(fpga && { fpga }),
    ...(pinnedImage && { pinnedImage }),
  };
  const same = { run: id, user, pod, volumes, input, acceptedAt: now, ...state };
  if (scheduledAt === undefined || scheduledAt <= now) {
    return { ...same, phase: "waiting", reason: "ContainerCreating", dueAt: now };
  }
  const message = `Scheduled to start at ${wholeSeconds(scheduledAt)}`;
  return { ...same, phase: "scheduled", reason: "Scheduled", message };
}
