import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";

/** The longest `wait` of a call that asks how a command stands, in seconds. */
export const MAX_WAIT_S = 60;

/** A parameter of the query. @throws INVALID_PARAMETERS when it is given more than once */
export function once(c: Context, name: string): string | undefined {
  const [value, ...more] = c.req.queries(name) ?? [];
  if (more.length > 0) throw new PerigeeError("INVALID_PARAMETERS", `${name}: must be given once`);
  return value;
}

/** A whole number from the query. @throws INVALID_PARAMETERS */
export function wholeNumber(field: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d{1,15}$/.test(text) || number < min || number > max) {
    throw new PerigeeError("INVALID_PARAMETERS", `${field}: must be a whole number from ${min} to ${max}`);
  }
  return number;
}
