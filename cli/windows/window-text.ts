import { bytes } from "../output/text.ts";

/** A window as the ground shows it (`next_window`, `windows` of `GET /edge`). */
export type WindowView = {
  start: string;
  end: string;
  station?: string;
  uplink_bytes?: number | null;
  downlink_bytes?: number | null;
};

export function isWindow(value: unknown): value is WindowView {
  const window = value as Partial<WindowView> | null | undefined;
  return (
    Number.isFinite(Date.parse(String(window?.start))) && Number.isFinite(Date.parse(String(window?.end)))
  );
}

/**
 * `next window 20:41Z, in 42 min, for 9 min`, or of one that is open `in a window until 20:50Z, for 9 min more`.
 * @param countdown false: without what changes as time goes by
 */
export function windowText({ start, end }: WindowView, now: number, countdown = true): string {
  const [from, until] = [Date.parse(start), Date.parse(end)];
  if (from <= now) {
    const text = `in a window until ${clock(until, now)}`;
    return countdown ? `${text}, for ${span(until - now)} more` : text;
  }
  const wait = countdown ? `, in ${span(from - now)}` : "";
  return `next window ${clock(from, now)}${wait}, for ${span(until - from)}`;
}

/** What is expected to fit into a window: `9.4 KiB up, 1.2 MiB down`; empty where no rate is known. */
export function capacityText({ uplink_bytes: up, downlink_bytes: down }: WindowView): string {
  const ways = [
    typeof up === "number" && `${bytes(up)} up`,
    typeof down === "number" && `${bytes(down)} down`,
  ];
  return ways.filter(Boolean).join(", ");
}

/** `20:41Z` for a time within a day, else with its date. */
function clock(at: number, now: number): string {
  const [date, time] = new Date(at).toISOString().split("T");
  const short = `${time!.slice(0, 5)}Z`;
  return Math.abs(at - now) < 20 * 3600_000 ? short : `${date} ${short}`;
}

/** `50 s`, `42 min`, `3 h 5 min`, `2 d 4 h`. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
}
