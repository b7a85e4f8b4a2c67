import type { ContactWindow } from "./contact-window.ts";
import { LIMITS } from "./limits.ts";
import { zonedTime } from "./zoned-time.ts";

/** The fields of a window as people write them; those of the first three are needed. */
export const WINDOW_FIELDS = ["start", "end", "station", "uplink_bps", "downlink_bps"] as const;
export type WindowField = (typeof WINDOW_FIELDS)[number];

/** A window in the fields in which people write it. */
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

/** A window that breaks a rule: which field, and the rule, for people. */
export class WindowFieldError extends Error {
  override readonly name = "WindowFieldError";
  readonly field: string;
  constructor(field: string, rule: string) {
    super(`${field}: ${rule}`);
    this.field = field;
  }
}

/**
 * One window of an import or of a command's options. Times are ISO 8601 with a zone, so that no machine's zone or
 * daylight saving time moves a plan; rates are numbers, or text that is one.
 * @param now ms since 1970, by which a start may be too far ahead
 * @throws WindowFieldError
 */
export function readWindow(fields: Readonly<Record<string, unknown>>, now: number): ContactWindow {
  const unknown = Object.keys(fields).find((name) => !WINDOW_FIELDS.includes(name as WindowField));
  if (unknown !== undefined)
    throw new WindowFieldError(unknown, `no such field (${WINDOW_FIELDS.join(", ")})`);
  const start = readTime(fields.start, "start");
  const end = readTime(fields.end, "end");
  if (end <= start) throw new WindowFieldError("end", "must be after start");
  if (start - now > LIMITS.windowAheadMs)
    throw new WindowFieldError("start", `must be within ${LIMITS.windowAheadMs / 86_400_000} days from now`);
  if (end - start > LIMITS.windowAheadMs)
    throw new WindowFieldError("end", `must be within ${LIMITS.windowAheadMs / 86_400_000} days of start`);
  const uplinkBps = rate(fields, "uplink_bps");
  const downlinkBps = rate(fields, "downlink_bps");
  return {
    start,
    end,
    station: station(fields.station),
    ...(uplinkBps !== undefined && { uplinkBps }),
    ...(downlinkBps !== undefined && { downlinkBps }),
  };
}

/** A time with its zone, in ms since 1970. @throws WindowFieldError that names `field` */
export function readTime(value: unknown, field: WindowField): number {
  if (value === undefined || value === "") throw new WindowFieldError(field, "is missing");
  const ms = typeof value === "string" ? zonedTime(value) : Number.NaN;
  if (Number.isNaN(ms))
    throw new WindowFieldError(field, "must be a time with its zone, such as 2026-05-22T12:10:00Z");
  if (!(ms >= 0)) throw new WindowFieldError(field, "must be after 1970");
  return ms;
}

function station(value: unknown): string {
  const rule = `must be a name of 1 to ${LIMITS.windowStation} characters that can be printed`;
  if (value === undefined || value === "") throw new WindowFieldError("station", "is missing");
  if (typeof value !== "string") throw new WindowFieldError("station", rule);
  const name = value.trim();
  if (name === "" || name.length > LIMITS.windowStation || /[\p{C}\p{Zl}\p{Zp}]/u.test(name))
    throw new WindowFieldError("station", rule);
  return name;
}

function rate(fields: Readonly<Record<string, unknown>>, field: WindowField): number | undefined {
  const value = fields[field];
  if (value === undefined || value === null || value === "") return undefined;
  const number =
    typeof value === "number"
      ? value
      : typeof value === "string" && /^\d+(\.\d+)?$/.test(value)
        ? Number(value)
        : Number.NaN;
  if (!(number > 0 && number <= LIMITS.windowBps))
    throw new WindowFieldError(field, `must be a rate in bit/s, over 0 and at most ${LIMITS.windowBps}`);
  return number;
}
