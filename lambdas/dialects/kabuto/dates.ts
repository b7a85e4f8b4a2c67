/** The UTC date of a time in ms since 1970: `2026-11-27`. */
export function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
