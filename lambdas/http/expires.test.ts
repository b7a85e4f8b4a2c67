import { expect, test } from "vitest";
import { readExpires } from "./expires.ts";

const NOW = Date.parse("2026-05-22T20:00:00Z");

test.each([
  [undefined, undefined],
  ["90s", NOW + 90_000],
  [" 1d12h ", NOW + 36 * 3_600_000],
  ["2026-05-22T22:30:00+02:00", NOW + 30 * 60_000],
])("%j is read", (header, at) => {
  expect(readExpires(header, NOW)).toBe(at);
});

const rule = "must be a time with its zone, or a duration such as 90s, 10m or 2h";
test.each([
  ["", rule],
  ["90", rule],
  ["-5m", rule],
  ["2026-05-22T22:30:00", rule],
  ["2026-02-30T00:00:00Z", rule],
  ["1000000000000d", rule],
  ["0s", "must be in the future"],
  ["2026-05-22T19:59:59Z", "must be in the future"],
  ["31d", "must be within 30 days"],
  ["999999999d999999999d", "must be within 30 days"],
])("%j is refused: %s", (header, message) => {
  expect(() => readExpires(header, NOW)).toThrow(`Perigee-Expires: ${message}`);
});
