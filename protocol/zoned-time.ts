const ZONED =
  /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * An ISO 8601 time with its zone, such as `2026-05-22T12:10:00Z`, in ms since 1970. NaN for anything else, and for a day
 * that does not exist: Date.parse takes 30 February for a day of March.
 */
export function zonedTime(text: string): number {
  const day = ZONED.exec(text)?.[1];
  const exists = day !== undefined && new Date(`${day}T00:00Z`).toJSON()?.startsWith(day);
  return exists ? Date.parse(text) : Number.NaN;
}
