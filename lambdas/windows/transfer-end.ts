import type { ContactWindow } from "#protocol/contact-window.ts";

export type TransferLeft = {
  bytes: number;
  direction: "uplink" | "downlink";
  /** as the edge measured it on this way, bit/s */
  measuredBps?: number | undefined;
};
export type TransferEnd = { at: number; window: ContactWindow };

/**
 * When a transfer is expected to end, and in which window: it goes on in windows alone, and has each to itself, at the
 * planned rate. In the window that is open the measured rate says more, and it is taken where none is planned. Undefined where the plan does not reach so far, or says no rate on the way.
 * @param now ms since 1970
 */
export function transferEnd(
  windows: readonly ContactWindow[],
  now: number,
  { bytes, direction, measuredBps }: TransferLeft,
): TransferEnd | undefined {
  let left = bytes;
  let from = now;
  for (const window of windows.toSorted((a, b) => a.start - b.start)) {
    const begin = Math.max(window.start, from);
    if (window.end <= begin) continue;
    const planned = direction === "uplink" ? window.uplinkBps : window.downlinkBps;
    const bps = window.start <= now ? (measuredBps ?? planned) : (planned ?? measuredBps);
    if (bps === undefined) return undefined;
    const ms = (left * 8000) / bps;
    if (begin + ms <= window.end) return { at: Math.ceil(begin + ms), window };
    left -= ((window.end - begin) * bps) / 8000;
    from = window.end;
  }
  return undefined;
}
