import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { zonedTime } from "#protocol/zoned-time.ts";

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(?:\d{1,9}[smhd]){1,4}$/;

/**
 * Reads `Perigee-Expires`, until when a command is to be taken by its edge: a time with its zone, or a duration such as
 * `90s`, `10m` or `1d12h`. @returns ms since 1970; undefined without the header
 * @throws INVALID_PARAMETERS
 */
export function readExpires(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const at = DURATION.test(text) ? now + durationMs(text) : zonedTime(text);
  if (Number.isNaN(at)) throw wrong("must be a time with its zone, or a duration such as 90s, 10m or 2h");
  if (at <= now) throw wrong("must be in the future");
  if (at - now > LIMITS.expiresMs) throw wrong(`must be within ${LIMITS.expiresMs / UNITS.d!} days`);
  return at;
}

function durationMs(text: string): number {
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([smhd])/g)) ms += Number(amount) * UNITS[unit!]!;
  return ms;
}

function wrong(rule: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", `Perigee-Expires: ${rule}`);
}
