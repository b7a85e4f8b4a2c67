import type { ContactWindow } from "#protocol/contact-window.ts";
import { WINDOW_FIELDS, type WindowField } from "#protocol/window-fields.ts";

/** A window in the fields in which an import takes it. */
export type WindowFields = Record<WindowField, string | number | null>;

export function windowFields({ start, end, station, uplinkBps, downlinkBps }: ContactWindow): WindowFields {
  // whole seconds, as people write them
  const time = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z");
  return {
    start: time(start),
    end: time(end),
    station,
    uplink_bps: uplinkBps ?? null,
    downlink_bps: downlinkBps ?? null,
  };
}

/** A CSV file that an import takes. */
export function planCsv(windows: readonly ContactWindow[]): string {
  const cell = (value: string | number | null) => {
    const text = String(value ?? "");
    return /[",#]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = windows
    .map(windowFields)
    .map((fields) => WINDOW_FIELDS.map((name) => cell(fields[name])).join(","));
  return [WINDOW_FIELDS.join(","), ...rows].join("\n");
}
