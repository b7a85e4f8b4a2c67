import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import { ERRORS, type ErrorCode } from "#protocol/errors.ts";
import { errorBody } from "../../docs/error-body.ts";
import type { Registry } from "../../docs/registry.ts";
import { ROUTE_DOCS, type RouteDoc } from "./route-docs.ts";
import { EM_ROUTES } from "./routes.ts";

/** Refusals that every route that reaches an edge can answer with. */
const EVERYWHERE: ErrorCode[] = [
  "INVALID_PARAMETERS",
  "UNAUTHORIZED",
  "EDGE_NOT_FOUND",
  "LOCKED",
  "QUEUE_FULL",
  "TOO_MANY_REQUESTS",
  "IDEMPOTENCY_KEY_REUSED",
  "INTERNAL_ERROR",
  "EM_UNREACHABLE",
  "DEADLINE_EXCEEDED",
];
const WITH_BODY: ErrorCode[] = ["BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"];

const acceptedBody = z
  .object({
    message: z.string(),
    data: z.object({ command_id: z.string(), state: z.string(), position: z.number().int().optional() }),
  })
  .openapi("Accepted", {
    example: {
      message: "Command accepted",
      data: { command_id: "01JD6Z0V3E8T4Q5R6S7T8V9W0X", state: "queued", position: 3 },
    },
  });

const commonHeaders = z.object({
  "Perigee-Edge": z.string().optional().openapi({ description: "Edge meant; by default the user's own" }),
  Prefer: z.string().optional().openapi({
    description: "`respond-async`: 202 at once; `wait=N`: 202 after N seconds",
    example: "wait=30",
  }),
});
const idempotencyHeader = z.object({
  "Idempotency-Key": z.string().max(255).optional().openapi({
    description: "A repeat within 24 h answers as the first call did and does nothing again",
  }),
});

/** Adds what {@link ROUTE_DOCS} says of the EM routes, for each method that is answered, to an OpenAPI document. */
export function documentEmRoutes(registry: Registry): void {
  for (const [path, methods] of EM_ROUTES) {
    const doc = ROUTE_DOCS[path];
    if (!doc) throw new Error(`${path} is not documented`);
    for (const method of methods) {
      registry.registerPath(createRoute(routeOf(path, method as "GET" | "POST", doc)));
    }
  }
}

function routeOf(path: string, method: "GET" | "POST", doc: RouteDoc): RouteConfig {
  const fields = z.object(doc.fields);
  const inQuery = method === "GET";
  const named = Object.keys(doc.fields).length > 0;
  const commands = doc.commands !== false;
  const headers = doc.multipart
    ? commonHeaders
    : commonHeaders.extend(commands ? idempotencyHeader.shape : {}).extend(doc.headers?.shape ?? {});
  return {
    method: inQuery ? "get" : "post",
    path,
    operationId: `${method.toLowerCase()}${path.replace(/[^a-z]+(\w)/g, (_all, letter) => letter.toUpperCase())}`,
    tags: ["EM"],
    summary: doc.summary,
    description: doc.description,
    security: [{ bearer: [] }],
    request: {
      headers: commands ? headers : commonHeaders.pick({ "Perigee-Edge": true }),
      ...(inQuery && named && { query: fields }),
      ...(!inQuery && named && { body: { required: true, content: bodies(fields, doc) } }),
    },
    responses: responsesOf(doc, commands),
  };
}

function bodies(schema: z.ZodObject, doc: RouteDoc) {
  if (doc.multipart) return { "multipart/form-data": { schema } };
  return {
    "multipart/form-data": { schema },
    "application/x-www-form-urlencoded": { schema },
    "application/json": { schema },
  };
}

function responsesOf(doc: RouteDoc, commands: boolean): RouteConfig["responses"] {
  const codes = new Set<ErrorCode>([
    ...(commands ? EVERYWHERE : (["INVALID_PARAMETERS", "UNAUTHORIZED", "EDGE_NOT_FOUND"] as const)),
    ...WITH_BODY,
    ...doc.errors,
  ]);
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code][0] as number);
  const responses: RouteConfig["responses"] = { 200: doc.ok, ...doc.further };
  if (commands) {
    responses[202] = {
      description: "The command is under way; `Location` says where to ask for it.",
      headers: z.object({ Location: z.string(), "Preference-Applied": z.string().optional() }),
      content: { "application/json": { schema: acceptedBody } },
    };
  }
  for (const [status, list] of [...byStatus].sort(([a], [b]) => a - b)) {
    responses[status] = {
      description: list.map((code) => `\`${code}\`: ${ERRORS[code][1]}`).join("\n\n"),
      ...([423, 429, 503].includes(status) && { headers: z.object({ "Retry-After": z.string() }) }),
      content: {
        "application/json": {
          schema: errorBody,
          examples: Object.fromEntries(list.map((code) => [code, { value: exampleOf(code, doc) }])),
        },
      },
    };
  }
  return responses;
}

function exampleOf(code: ErrorCode, doc: RouteDoc): Record<string, unknown> {
  const own = doc.examples?.[code];
  if (own) return { error: code, ...own };
  if (code === "LOCKED") {
    return {
      error: code,
      message: "CG2 is busy",
      data: {
        operation: "pod.run",
        since: "2025-11-20T12:31:12Z",
        command_id: "01JD6Z0V3E8T4Q5R6S7T8V9W0X",
      },
    };
  }
  return { error: code, message: ERRORS[code][1] };
}
