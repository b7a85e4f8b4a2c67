import type { Logger } from "pino";
import { ERRORS, type Failure, failureOf, PerigeeError } from "#protocol/errors.ts";
import { SAFE_HEADERS } from "./safe-headers.ts";

/** Seconds to name in `Retry-After` when nothing better is known. */
const RETRY_AFTER: Record<number, number> = { 423: 2, 429: 10, 503: 30 };

/**
 * How one API words a failure: status, headers and body. `commandId` is the command that failed, when there is one;
 * `request` the one that is answered, when there is more to know of it.
 */
export type ErrorShape = (failure: Failure, commandId?: string, request?: Request) => Response;

export type ErrorContext = {
  log: Logger;
  /** the command that failed, when there is one: a 500 names it, and so does the log */
  commandId?: string;
  /** default: {@link failureResponse} */
  shape?: ErrorShape;
  request?: Request;
};

/**
 * The answer to whatever was thrown, in the shape of the API that it was thrown in. Anything that is not a
 * PerigeeError is INTERNAL_ERROR: its cause goes to the log, never to the user.
 */
export function errorResponse(error: unknown, context: ErrorContext): Response {
  const failure = failureOf(error);
  const status = ERRORS[failure.code][0];
  if (status === 500 || !(error instanceof PerigeeError)) {
    context.log.error({ err: error, command: context.commandId }, failure.message);
  } else if (error.cause !== undefined) {
    context.log.warn({ err: error.cause, code: error.code, command: context.commandId }, failure.message);
  }
  const { shape = failureResponse } = context;
  return shape(failure, context.commandId, context.request);
}

/**
 * The error shape of Perigee's own API and of the EM's: `{error, message, ...data}` with the status of its code in
 * {@link ERRORS}. `retryAfter` (seconds) of its data becomes a header, the rest is the body's.
 */
export function failureResponse(failure: Failure, commandId?: string): Response {
  const status = ERRORS[failure.code][0];
  const { retryAfter, ...data } = failure.data ?? {};
  const headers = new Headers({ "content-type": "application/json", ...SAFE_HEADERS });
  if (status in RETRY_AFTER) {
    const seconds = typeof retryAfter === "number" && retryAfter > 0 ? retryAfter : RETRY_AFTER[status]!;
    headers.set("retry-after", String(Math.ceil(seconds)));
  }
  if (status === 401) headers.set("www-authenticate", "Bearer");
  if (status === 416 && typeof data.total === "number") headers.set("content-range", `bytes */${data.total}`);
  if (status === 405 && Array.isArray(data.allow)) headers.set("allow", data.allow.join(", "));
  const body = {
    error: failure.code,
    message: failure.message,
    ...(status === 401 && { detail: failure.message }),
    ...(failure.code === "LOCKED" && !("data" in data) ? { data } : data),
    ...(status === 500 && commandId !== undefined && { command_id: commandId }),
  };
  return new Response(JSON.stringify(body), { status, headers });
}
