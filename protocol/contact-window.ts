import * as z from "zod";
import { LIMITS } from "./limits.ts";

/**
 * A time in which an edge is expected to be in contact. It is a hint: contact itself, a heartbeat that arrives, is the
 * truth. Times in ms since 1970, rates in bit/s (`uplinkBps`: to the edge).
 */
export const contactWindow = z.object({
  start: z.number().int().nonnegative(),
  end: z.number().int().nonnegative(),
  /** of the ground station */
  station: z.string().min(1).max(LIMITS.windowStation),
  uplinkBps: z.number().positive().max(LIMITS.windowBps).optional(),
  downlinkBps: z.number().positive().max(LIMITS.windowBps).optional(),
});
export type ContactWindow = z.infer<typeof contactWindow>;

/** All windows of an edge, in the order of their starts; every change of them raises `revision`. */
export const windowPlan = z.object({
  revision: z.number().int().positive(),
  windows: z.array(contactWindow).max(LIMITS.windows),
});
export type WindowPlan = z.infer<typeof windowPlan>;

/** GET /agent/windows?epoch= → {@link windowPlan}: asked for when the answer to a heartbeat names a revision that is not the agent's. */
export const windowsQuery = z.object({ epoch: z.coerce.number().int().positive() });

/** The windows as a plan holds them: ordered, none twice, none that is over. */
export function arrangeWindows(windows: readonly ContactWindow[], now: number): ContactWindow[] {
  const sorted = windows.filter(({ end }) => end > now).toSorted(compareWindows);
  return sorted.filter((window, i) => i === 0 || compareWindows(sorted[i - 1]!, window) !== 0);
}

/** What a plan says of a moment. Where windows overlap, `present` is the one that lasts longest. */
export type WindowsAt = { present?: ContactWindow; next?: ContactWindow };

/** The window that is open at `now`, and the first that opens after it. The windows may be in any order. */
export function windowsAt(windows: readonly ContactWindow[], now: number): WindowsAt {
  let present: ContactWindow | undefined;
  let next: ContactWindow | undefined;
  for (const window of windows) {
    if (window.end <= now) continue;
    if (window.start > now) {
      if (!next || window.start < next.start) next = window;
    } else if (!present || window.end > present.end) present = window;
  }
  return { ...(present && { present }), ...(next && { next }) };
}

/** By start, end and station: what is equal in all of them is the same window. */
function compareWindows(a: ContactWindow, b: ContactWindow): number {
  return a.start - b.start || a.end - b.end || (a.station < b.station ? -1 : a.station > b.station ? 1 : 0);
}
