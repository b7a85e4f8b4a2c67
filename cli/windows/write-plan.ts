import type { ContactWindow } from "#protocol/contact-window.ts";
import { WINDOW_FIELDS, windowFields } from "#protocol/window-fields.ts";

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
