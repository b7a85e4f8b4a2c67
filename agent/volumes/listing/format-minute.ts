const MINUTE = 60_000;
const FIRST = Date.parse("0000-01-01T00:00:00Z");
const LAST = Date.UTC(9999, 11, 31, 23, 59);

let minute = Number.NaN;
let text = "";

/** `YYYY-MM-DD-HH-MM` in UTC from ms since 1970, within the years 0 to 9999. */
export function formatMinute(ms: number): string {
  const at = Math.floor(Math.min(Math.max(ms, FIRST), LAST) / MINUTE);
  // neighbouring files were mostly written in the same minute
  if (at !== minute) {
    minute = at;
    text = new Date(at * MINUTE).toISOString().slice(0, 16).replace("T", "-").replace(":", "-");
  }
  return text;
}
