import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "./patience.ts";

export type VolumeOptions = { pod?: string; volume?: string };

/** Adds `--pod` and `--volume`, which choose the volume. */
export function withVolume(command: Command): Command {
  return command
    .option("--pod <name>", "pod, and its volume (default: your default pod)")
    .option("--volume <name>", "volume, when it is not named like the pod");
}

export function withPod(command: Command): Command {
  return command.addOption(new Option("--pod <name>", "pod (default: your default pod)"));
}

/** The API fields for pod and volume. */
export function volumeFields({ pod, volume }: VolumeOptions): { pod_name?: string; pvc_name?: string } {
  return { ...(pod !== undefined && { pod_name: pod }), ...(volume !== undefined && { pvc_name: volume }) };
}

/** `?a=1&b=2` of the values that are given; empty without any. */
export function query(fields: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== false);
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)]))}`;
}

/** Parses an integer of at least `min`. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < min || number > max) {
      throw new InvalidArgumentError(
        `Must be a whole number from ${min}${max < 2 ** 53 - 1 ? ` to ${max}` : ""}.`,
      );
    }
    return number;
  };
}

/** Parses minutes: a plain number, or a duration such as 90m or 2h. */
export function minutes(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : (parseDuration(text) ?? Number.NaN) / 60_000;
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidArgumentError(
      "Must be a whole number of minutes from 1 (30), or a time such as 90m or 2h.",
    );
  }
  return value;
}

/**
 * A time as the API wants it, ISO 8601 with a zone. A time with a zone is kept, one without is in this machine's
 * zone, and `+10m` is relative to now.
 */
export function moment(text: string): string {
  const from = text.startsWith("+") ? parseDuration(text.slice(1)) : undefined;
  if (from !== undefined) return new Date(Date.now() + from).toISOString();
  const date = new Date(text.replace(/^(\d{4}-\d\d-\d\d) /, "$1T"));
  if (!/^\d{4}-\d\d-\d\dT?/.test(text) || Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError("A time looks like 2025-05-22T12:10:00+02:00, 2025-05-22T12:10 or +10m.");
  }
  return /T.*(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : date.toISOString();
}

/** Collects the values of a repeated option. */
export function collect<T>(parse: (text: string) => T): (text: string, before?: T[]) => T[] {
  return (text, before = []) => [...before, parse(text)];
}

/** Parses `KEY=VALUE`; `KEY` alone takes the value that it has here. */
export function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? process.env[key] : text.slice(at + 1);
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(key))
    throw new InvalidArgumentError(`${key || '""'} is no variable name.`);
  if (value === undefined)
    throw new InvalidArgumentError(`${key} is not set here; give it a value: ${key}=VALUE.`);
  return [key, value];
}
