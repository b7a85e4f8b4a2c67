import { type RouteConfig, z } from "@hono/zod-openapi";
import { ERRORS, type ErrorCode } from "#protocol/errors.ts";
import { errorBody } from "./error-body.ts";

/** Fields of an error body beside `error` and `message`, by code. */
export type ErrorExamples = Partial<Record<ErrorCode, Record<string, unknown>>>;

const DATA: ErrorExamples = {
  LOCKED: {
    message: "CG2 is busy",
    data: { operation: "pod.run", since: "2025-11-20T12:31:12Z", command_id: "01JD6Z0V3E8T4Q5R6S7T8V9W0X" },
  },
};

/** Headers that every answer of a status has. */
const HEADERS: Record<number, z.ZodObject> = {
  401: z.object({ "WWW-Authenticate": z.string().openapi({ example: "Bearer" }) }),
  423: retryAfter(),
  429: retryAfter(),
  503: retryAfter(),
};

/** What every route answers that needs a user's token. */
export const WITH_TOKEN: readonly ErrorCode[] = ["UNAUTHORIZED", "TOO_MANY_REQUESTS", "INTERNAL_ERROR"];

/** What every route answers that reads a body. */
export const WITH_BODY: readonly ErrorCode[] = [
  "INVALID_PARAMETERS",
  "BODY_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "EXPECTATION_FAILED",
];

/**
 * The responses that carry `codes`, by their statuses in order: each names its codes, in its schema too, so that no
 * other one can come unnoticed.
 */
export function refusals(codes: Iterable<ErrorCode>, examples: ErrorExamples = {}): RouteConfig["responses"] {
  const byStatus = Map.groupBy(new Set(codes), (code) => ERRORS[code][0] as number);
  const responses: RouteConfig["responses"] = {};
  for (const [status, list] of [...byStatus].sort(([a], [b]) => a - b)) {
    const headers = HEADERS[status];
    responses[status] = {
      description: list.map((code) => `\`${code}\`: ${ERRORS[code][1]}`).join("\n\n"),
      ...(headers && { headers }),
      content: {
        "application/json": {
          schema: errorBody.extend({ error: z.enum(list) }),
          examples: Object.fromEntries(
            list.map((code) => [
              code,
              { value: { error: code, message: ERRORS[code][1], ...DATA[code], ...examples[code] } },
            ]),
          ),
        },
      },
    };
  }
  return responses;
}

function retryAfter(): z.ZodObject {
  return z.object({ "Retry-After": z.string().openapi({ description: "Seconds", example: "2" }) });
}
