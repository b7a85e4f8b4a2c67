import type { ErrorCode } from "#protocol/errors.ts";
import type { ErrorShape } from "../../../http/errors.ts";
import { json } from "../../../http/json-answer.ts";

const STATUSES: Partial<Record<ErrorCode, number>> = {
  UNAUTHORIZED: 401,
  INVALID_CREDENTIALS: 401,
  INVALID_PARAMETERS: 400,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  TOO_MANY_ATTEMPTS: 429,
  TOO_MANY_REQUESTS: 429,
};
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Payload Too Large",
  429: "Too Many Requests",
};

/** Words every failure of `/v3`: `{"error":{"code","message","title"}}`, the code being the status. */
export const identityErrors: ErrorShape = ({ code, message, data }) => {
  const status = STATUSES[code] ?? 500;
  const { allow, retryAfter } = data ?? {};
  const after = typeof retryAfter === "number" && retryAfter > 0 ? Math.ceil(retryAfter) : 10;
  const title = TITLES[status] ?? "Internal Server Error";
  return json({ error: { code: status, message, title } }, status, {
    ...(status === 405 && Array.isArray(allow) && { allow: allow.join(", ") }),
    ...(status === 429 && { "retry-after": String(after) }),
  });
};
