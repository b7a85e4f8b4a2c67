import { PerigeeError } from "#protocol/errors.ts";
import { IllegalPath } from "../checked-path.ts";

/** What fails so often in a row by itself fails for good. */
export const MOST_FAULTS = 3;

const OURS = [TypeError, RangeError, SyntaxError, ReferenceError, URIError, IllegalPath];

/**
 * Is it the code, given these values, and neither the engine nor the way to it? Then asking again will not help. What a
 * client of HTTP makes of a broken connection has the connection's own error as its cause.
 */
export function isPermanentFault(error: unknown): boolean {
  return OURS.some((kind) => error instanceof kind) && (error as Error).cause === undefined;
}

/** An overloaded server, or a proxy that reaches none: says nothing of what was asked. */
const BUSY = [429, 502, 503, 504];

/** Did the engine answer, with an error? Docker's client names its status `statusCode`, that of Kubernetes `status`. */
export function isAnswer(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof PerigeeError) return false;
  const { statusCode, status } = error as { statusCode?: unknown; status?: unknown };
  return [statusCode, status].some((one) => typeof one === "number" && !BUSY.includes(one));
}
