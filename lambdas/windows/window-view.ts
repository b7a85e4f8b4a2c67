import { type ContactWindow, type WindowPlan, windowsAt } from "#protocol/contact-window.ts";

/** A window as answers show it: `uplink_bytes`, `downlink_bytes`: what is expected to fit into what is left of it. */
export type WindowView = {
  start: string;
  end: string;
  station: string;
  uplink_bps: number | null;
  downlink_bps: number | null;
  uplink_bytes: number | null;
  downlink_bytes: number | null;
};

/** Windows of a plan in one answer. */
const MOST_LISTED = 20;

export function windowView({ start, end, station, ...rates }: ContactWindow, now: number): WindowView {
  const seconds = Math.max(0, end - Math.max(start, now)) / 1000;
  const bytes = (bps: number | undefined) => (bps === undefined ? null : Math.floor((bps * seconds) / 8));
  return {
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    station,
    uplink_bps: rates.uplinkBps ?? null,
    downlink_bps: rates.downlinkBps ?? null,
    uplink_bytes: bytes(rates.uplinkBps),
    downlink_bytes: bytes(rates.downlinkBps),
  };
}

/** A plan as `GET /edge` shows it: the window that is open, the next one, and the first that are still to end. */
export function planView(plan: WindowPlan, now: number) {
  const { present, next } = windowsAt(plan.windows, now);
  return {
    revision: plan.revision,
    present: present ? windowView(present, now) : null,
    next: next ? windowView(next, now) : null,
    planned: plan.windows.length,
    windows: plan.windows.slice(0, MOST_LISTED).map((window) => windowView(window, now)),
  };
}
