import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { ErrorCode } from "#protocol/errors.ts";
import { commandLinks } from "../../docs/link.ts";
import { refusals, WITH_BODY, WITH_TOKEN } from "../../docs/refusals.ts";
import type { Registry } from "../../docs/registry.ts";
import { ROUTE_DOCS, type RouteDoc } from "./route-docs.ts";
import { EM_ROUTES } from "./routes.ts";

/** Refusals that every route that reaches an edge can answer with. */
const EVERYWHERE: ErrorCode[] = [
  "INVALID_PARAMETERS",
  "EDGE_NOT_FOUND",
  "CANCELLED",
  "BODY_TOO_LARGE",
  "IDEMPOTENCY_KEY_REUSED",
  "LOCKED",
  "QUEUE_FULL",
  "INTERRUPTED",
  "ENGINE_UNAVAILABLE",
  "EM_UNREACHABLE",
  "EXPIRED",
  "DEADLINE_EXCEEDED",
];
/** Of those that the ground answers by itself. */
const FROM_GROUND: ErrorCode[] = ["INVALID_PARAMETERS", "EDGE_NOT_FOUND"];

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
  "Perigee-Expires": z.string().optional().openapi({
    description:
      "Until when the edge is to take the command, else it ends as `expired`: a time with its zone, or a duration",
    example: "2h",
  }),
  "Perigee-Priority": z.string().optional().openapi({
    description:
      "0 to 9, within what the operator lets the user have; default 5. Of those that came together 9 goes first",
    example: "7",
  }),
  Prefer: z.string().optional().openapi({
    description: "`respond-async`: 202 at once; `wait=N`: 202 after N seconds. Either queues the command",
    example: "wait=30",
  }),
});
const idempotencyHeader = z.object({
  "Idempotency-Key": z
    .string()
    .regex(/^[ -~]{1,255}$/)
    .optional()
    .openapi({
      description:
        "A repeat within 24 h answers as the first call did and does nothing again. 1 to 255 printable ASCII characters",
    }),
});

/** Adds what {@link ROUTE_DOCS} says of the EM routes, for each method that is answered, to an OpenAPI document. */
export function documentEmRoutes(registry: Registry): void {
  for (const [path, methods] of EM_ROUTES) {
    const doc = ROUTE_DOCS[path];
    if (!doc) throw new Error(`${path} is not documented`);
    for (const method of methods) {
      registry.registerPath(createRoute(routeOf(path, method as Method, doc)));
    }
  }
}

type Method = "GET" | "HEAD" | "POST";

function routeOf(path: string, method: Method, doc: RouteDoc): RouteConfig {
  const fields = z.object(doc.fields);
  const inQuery = method !== "POST";
  const named = Object.keys(doc.fields).length > 0;
  const commands = doc.commands !== false;
  const headers = doc.multipart
    ? commonHeaders
    : commonHeaders.extend(commands ? idempotencyHeader.shape : {}).extend(doc.headers?.shape ?? {});
  return {
    method: method.toLowerCase() as Lowercase<Method>,
    path,
    operationId: operationId(method, path, doc),
    tags: ["EM"],
    summary: doc.summary,
    description: doc.description,
    security: [{ bearer: [] }],
    request: {
      headers: commands ? headers : commonHeaders.pick({ "Perigee-Edge": true }),
      ...(inQuery && named && { query: fields }),
      ...(!inQuery && named && { body: { required: true, content: bodies(fields, doc) } }),
    },
    responses: responsesOf(method, doc, commands),
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

/** The name of a route alone where it has one method; else POST's is told apart. */
function operationId(method: Method, path: string, doc: RouteDoc): string {
  if (method === "HEAD") return `${doc.id}Head`;
  const reading = EM_ROUTES.some(([other, methods]) => other === path && methods.includes("GET"));
  return method === "POST" && reading ? `${doc.id}ByPost` : doc.id;
}

function responsesOf(method: Method, doc: RouteDoc, commands: boolean): RouteConfig["responses"] {
  const responses: RouteConfig["responses"] = { 200: linkedFrom(method, doc.ok), ...doc.further };
  if (commands) {
    responses[202] = {
      description: "The command is under way; `Location` says where to ask for it.",
      headers: z.object({ Location: z.string(), "Preference-Applied": z.string().optional() }),
      content: { "application/json": { schema: acceptedBody } },
      links: commandLinks("/data/command_id"),
    };
  }
  const codes = [
    ...WITH_TOKEN,
    ...(commands ? EVERYWHERE : FROM_GROUND),
    // fields in the body of a GET count too
    ...(doc.multipart ? (["EXPECTATION_FAILED"] as const) : WITH_BODY),
    ...doc.errors,
  ];
  Object.assign(responses, refusals(codes, doc.examples));
  if (method !== "HEAD") return responses;
  return Object.fromEntries(
    Object.entries(responses).map(([status, answer]) => [status, withoutBody(answer)]),
  );
}

/** A link that hands on what was asked for finds it in the query of a GET, and in the body of a POST. */
function linkedFrom(method: Method, answer: RouteDoc["ok"]): RouteDoc["ok"] {
  if (method !== "POST" || "$ref" in answer || !answer.links) return answer;
  const links = JSON.stringify(answer.links).replace(/\$request\.query\.(\w+)/g, "$request.body#/$1");
  return { ...answer, links: JSON.parse(links) };
}

function withoutBody(answer: RouteConfig["responses"][number]): RouteConfig["responses"][number] {
  if ("$ref" in answer) return answer;
  const { content: _, links: __, ...head } = answer;
  return head;
}
