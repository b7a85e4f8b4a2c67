/** UTC in whole seconds: `2025-11-20T12:31:12Z`. */
export function utcSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
