import { invalid } from "../../fields/form-values.ts";

// ISO 8601, extended or basic. A blank in front of the offset is a `+` that a url-encoded form lost.
const EXTENDED =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+\- ]\d{2}(?::?\d{2})?)$/i;
const BASIC =
  /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(?:(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+\- ]\d{2}(?::?\d{2})?)$/i;

/**
 * `scheduled_time`: an ISO 8601 time with a zone (`Z` or an offset), as ms since 1970.
 * @throws INVALID_PARAMETERS when it is anything else, or no such moment exists
 */
export function scheduledTime(field: string, text: string): number {
  const match = EXTENDED.exec(text.trim()) ?? BASIC.exec(text.trim());
  if (!match) throw refusal(field);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const ms = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const date = new Date(0);
  // not Date.UTC, which takes the year 25 for 1925
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, ms);
  const real =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59;
  const offset = offsetMinutes(match[8]!);
  if (!real || offset === undefined) throw refusal(field);
  return date.getTime() - offset * 60_000;
}

function offsetMinutes(zone: string): number | undefined {
  if (/^z$/i.test(zone)) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(":", "") || 0);
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}

function refusal(field: string) {
  return invalid(field, "must be an ISO 8601 time with a time zone, such as 2025-05-22T12:10:00+02:00");
}
