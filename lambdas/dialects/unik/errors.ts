import { ERRORS, type ErrorCode, type Failure } from "#protocol/errors.ts";
import type { ErrorShape } from "../../http/errors.ts";
import { json } from "../../http/json-answer.ts";
import { NO_STORE, textAnswer } from "./answers.ts";

/** Statuses of this API that are not those of the EM's. */
const STATUSES: Partial<Record<ErrorCode, number>> = {
  BUILD_FAILED: 422,
  IMAGE_LOAD_FAILED: 422,
  ILLEGAL_PATH: 400,
  FOREIGN_ORIGIN: 403,
  METHOD_NOT_ALLOWED: 404,
  UNSUPPORTED_MEDIA_TYPE: 400,
  MAX_UPLINK_SIZE_EXCEEDED: 413,
  INTERRUPTED: 500,
};
/** Of a build's log that a refusal has. */
const LINES = 50;
const RETRY_AFTER: Readonly<Record<number, number>> = { 429: 10, 503: 30 };
const UNAUTHORIZED = "unauthorized: send a user and password, or an access token";

/** Words every failure: a status and a text, or JSON for who asks for it; the code and the command are in headers. */
export const errors: ErrorShape = (failure, commandId, request) => {
  const { code, data } = failure;
  const own = data?.unikStatus;
  const status = typeof own === "number" ? own : (STATUSES[code] ?? ERRORS[code][0]);
  const command = commandId ?? (typeof data?.command === "string" ? data.command : undefined);
  const headers: Record<string, string> = {
    "perigee-error": code,
    ...(command !== undefined && { "perigee-command": command }),
    ...(status === 401 && { "www-authenticate": 'Basic realm="perigee", charset="UTF-8"' }),
    ...(status in RETRY_AFTER && { "retry-after": retryAfter(data?.retryAfter, RETRY_AFTER[status]!) }),
  };
  const message = textOf(status, failure);
  if (/\bapplication\/json\b/i.test(request?.headers.get("accept") ?? "")) {
    return json({ error: code, message }, status, { ...headers, "cache-control": NO_STORE });
  }
  return textAnswer(message, status, headers);
};

function textOf(status: number, { code, message, data }: Failure): string {
  if (status === 401) return UNAUTHORIZED;
  if (code === "NOT_FOUND" || code === "METHOD_NOT_ALLOWED") return `404 page not found\n${message}`;
  if (code !== "BUILD_FAILED") return message;
  const { reason, log_tail: tail } = data ?? {};
  const lines = Array.isArray(tail) ? tail.slice(-LINES).map((line) => String(line).replace(/\n$/, "")) : [];
  return [`compilation failed: ${typeof reason === "string" ? reason : message}`, ...lines].join("\n");
}

function retryAfter(given: unknown, otherwise: number): string {
  return String(typeof given === "number" && given > 0 ? Math.ceil(given) : otherwise);
}
