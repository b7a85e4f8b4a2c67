import type { ContactWindow } from "#protocol/contact-window.ts";

export type TransferLeft = { bytes: number; direction: "uplink" | "downlink" };
export type TransferEnd = { at: number; window: ContactWindow };

/**
 * When a transfer is expected to end, and in which window: it goes on in windows alone, at each one's planned rate, and
 * has each to itself. Undefined where the plan does not reach so far, or says no rate on the way.
 * @param now ms since 1970
 */
export function transferEnd(
  windows: readonly ContactWindow[],
  now: number,
  { bytes, direction }: TransferLeft,
): TransferEnd | undefined {
  let left = bytes;
  let from = now;
  for (const window of windows.toSorted((a, b) => a.start - b.start)) {
    const begin = Math.max(window.start, from);
    if (window.end <= begin) continue;
    const bps = direction === "uplink" ? window.uplinkBps : window.downlinkBps;
    if (bps === undefined) return undefined;
    const ms = (left * 8000) / bps;
    if (begin + ms <= window.end) return { at: Math.ceil(begin + ms), window };
    left -= ((window.end - begin) * bps) / 8000;
    from = window.end;
  }
  return undefined;
}
