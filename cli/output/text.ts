import { stripVTControlCharacters } from "node:util";

/** Makes foreign text (file names, messages) safe for a terminal: control and invisible characters are escaped. */
export function safe(text: unknown): string {
  return String(text).replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu,
    (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

/** Like {@link safe}, but keeps line breaks. */
export function safeLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => safe(stripVTControlCharacters(line).replaceAll("\t", "  ")))
    .join("\n");
}

/** 1536 → "1.5 KiB". Anything that is not a number stays unchanged. */
export function bytes(value: unknown): string {
  const n = Number(value);
  if (value === undefined || value === null || value === "" || !Number.isFinite(n)) return safe(value ?? "-");
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let rest = n;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit]}`;
}

/** 1 → "1 file". */
export function fileCount(files: number): string {
  return files === 1 ? "1 file" : `${files} files`;
}

/** 95000 ms → "1m35s". */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${s % 60 ? `${s % 60}s` : ""}`;
  const minutes = Math.floor((s % 3600) / 60);
  return `${Math.floor(s / 3600)}h${minutes ? `${minutes}m` : ""}`;
}

/** An ISO time or ms since 1970 as "2025-11-20 12:31:12Z"; "-" when there is none. */
export function time(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  const date = new Date(typeof value === "number" ? value : String(value));
  if (Number.isNaN(date.getTime())) return safe(value);
  return date
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}
