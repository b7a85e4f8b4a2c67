import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import type { ErrorShape } from "../../http/errors.ts";
import type { DialectContext } from "../dialect.ts";
import { emptyAnswer, jsonAnswer } from "./answers.ts";

/** What this API's server errors name. */
export type ServerErrorCode =
  | "NOMAD_UNREACHABLE"
  | "NOMAD_OVERLOAD"
  | "NOMAD_INTERNAL_SERVER_ERROR"
  | "PREWARMING_POOL_DEPLETING"
  | "UNKNOWN";

export type RefusedStatus = 400 | 403 | 404 | 410 | 413 | 424 | 500 | 503;

/** Texts that clients compare. */
export const TEXTS = {
  gone: "no runner found with this id",
  unknownEnvironment: "runner could not be provided: unknown execution environment",
  noRunner: "no runners available for this execution environment",
  forbiddenCharacter: "use of forbidden character",
  unknownExecution: "execution id unknown",
  notAnUpgrade: "websocket upgrade required",
  otherOrigin: "the request comes from another origin",
  unreadable: "file not found or insufficient permissions",
  unreachable: "the edge is not in contact",
  overloaded: "too many sessions are open",
  tooMuch: "too much is being copied at once",
  unsupported: "the edge offers no runners",
  engine: "the container engine failed or did not answer",
  unknown: "the request could not be handled",
  depleting: "the prewarming pool is depleting",
  openMode: "without authentication this API is reached by a loopback address and from the same origin only",
} as const;

/** A refusal of this API's own: status, message and, for server errors, the code. */
export function refusal(status: RefusedStatus, message: string, errorCode?: ServerErrorCode): PerigeeError {
  const code = status >= 500 ? { errorCode: errorCode ?? "UNKNOWN" } : {};
  return new PerigeeError("INVALID_PARAMETERS", message, { data: { poseidon: { status, ...code } } });
}

/** The same text for runners that never existed, that have ended, and that are another user's. */
export const gone = () => refusal(410, TEXTS.gone);

type RefusedAs = { status: number; message?: string; errorCode?: ServerErrorCode };

const ERROR_CODES: Partial<Record<ErrorCode, ServerErrorCode>> = {
  TOO_MANY_REQUESTS: "NOMAD_OVERLOAD",
  QUEUE_FULL: "NOMAD_OVERLOAD",
  QUOTA_EXCEEDED: "NOMAD_OVERLOAD",
  STORAGE_FULL: "NOMAD_OVERLOAD",
  EM_UNREACHABLE: "NOMAD_UNREACHABLE",
  EXPIRED: "NOMAD_UNREACHABLE",
  ENGINE_UNAVAILABLE: "NOMAD_INTERNAL_SERVER_ERROR",
  REGISTRY_UNAVAILABLE: "NOMAD_INTERNAL_SERVER_ERROR",
  UNSUPPORTED_OPERATION: "NOMAD_INTERNAL_SERVER_ERROR",
  NOT_SUPPORTED: "NOMAD_INTERNAL_SERVER_ERROR",
};

/** What a failure becomes; without a message the answer is empty. */
function refusedAs({ code, message, data }: Parameters<ErrorShape>[0]): RefusedAs {
  const own = data?.poseidon as { status: number; errorCode?: ServerErrorCode } | undefined;
  if (own) return { ...own, message };
  if (code === "UNAUTHORIZED") return { status: 401 };
  if (code === "NOT_FOUND") return { status: 404 };
  if (code === "METHOD_NOT_ALLOWED") return { status: 405 };
  if (code === "INVALID_PARAMETERS") return { status: 400, message };
  if (code === "BODY_TOO_LARGE") return { status: 413, message };
  const errorCode = ERROR_CODES[code] ?? "UNKNOWN";
  return { status: 500, message: errorCode === "UNKNOWN" ? TEXTS.unknown : message, errorCode };
}

export const errors: ErrorShape = (failure) => {
  const { status, message, errorCode } = refusedAs(failure);
  if (message === undefined) {
    const allow = failure.data?.allow;
    return emptyAnswer(status, Array.isArray(allow) ? { allow: allow.join(", ") } : {});
  }
  return jsonAnswer({ message, ...(errorCode && { errorCode }) }, status);
};

/** Nothing is at a path, or not for the method: told to everybody, without a body. */
export function unknown(_c: DialectContext, allow: readonly string[]): Response {
  if (allow.length === 0) return emptyAnswer(404);
  const methods = [...new Set([...allow, ...(allow.includes("GET") ? ["HEAD"] : [])])].sort();
  return emptyAnswer(405, { allow: methods.join(", ") });
}
