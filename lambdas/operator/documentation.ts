import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { ErrorCode } from "#protocol/errors.ts";
import { refusals, WITH_BODY, WITH_TOKEN } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";
import { MAX_AUDIT_PAGE } from "./routes.ts";

const time = z.string().nullable();
const edge = z.object({
  edge: z.string(),
  contact: z.object({
    state: z.enum(["ok", "lost", "never"]),
    last: time,
    age: z.number().nullable(),
  }),
  held_since: time.openapi({ description: "since when an operator holds the whole edge" }),
  agent: z.string().nullable().openapi({ description: "version of its agent" }),
  free_bytes: z.number().nullable().openapi({ description: "free on its disk, as last reported" }),
  nodes: z.array(z.object({ name: z.string(), kind: z.string(), status: z.string() })),
  windows: z.unknown().openapi({ description: "as in `GET /edge`" }),
  lanes: z.array(
    z.object({
      name: z.string(),
      width: z.number().int().nullable(),
      running: z.number().int(),
      queued: z.number().int(),
      receiving: z.number().int().openapi({ description: "uplinks that are coming in" }),
      held_since: time.openapi({ description: "since when the lane is held by itself" }),
    }),
  ),
});
const queued = z.object({
  lane: z.string(),
  command_id: z.string(),
  user: z.string(),
  operation: z.string(),
  state: z.enum(["running", "queued", "staging"]),
  since: time,
  held: z.boolean().openapi({ description: "its user holds it" }),
});
const deed = z.object({
  n: z.number().int(),
  at: z.string(),
  who: z.string().openapi({ description: "user, or account of the ground's machine" }),
  by: z.enum(["http", "cli"]),
  verb: z.string().openapi({ example: "edge hold" }),
  about: z.array(z.string()),
});
const params = z.object({ edge: z.string() });
const REFUSED: readonly ErrorCode[] = [...WITH_TOKEN, "OPERATOR_ONLY"];

/** Adds the operator's routes to an OpenAPI document. */
export function documentOperatorRoutes(registry: Registry): void {
  const route = (of: {
    method: "get" | "post";
    path: string;
    operationId: string;
    summary: string;
    request?: RouteConfig["request"];
    data: z.ZodType;
    more?: z.ZodRawShape;
    refused?: readonly ErrorCode[];
  }) =>
    registry.registerPath(
      createRoute({
        method: of.method,
        path: of.path,
        operationId: of.operationId,
        tags: ["Operator"],
        summary: of.summary,
        description: "For users whom `perigee user operator` made one. It shows no input, result or content.",
        security: [{ bearer: [] }],
        ...(of.request && { request: of.request }),
        responses: {
          200: {
            description: of.summary,
            content: {
              "application/json": { schema: z.object({ message: z.string(), data: of.data, ...of.more }) },
            },
          },
          ...refusals([...REFUSED, ...(of.refused ?? [])]),
        },
      }),
    );
  route({
    method: "get",
    path: "/operator/edges",
    operationId: "operatorEdges",
    summary: "Every edge, with contact, holds and how much runs and waits",
    data: z.array(edge),
  });
  route({
    method: "get",
    path: "/operator/edges/{edge}/queues",
    operationId: "operatorQueues",
    summary: "Whose commands run and wait on an edge",
    request: { params },
    data: z.array(queued),
    refused: ["EDGE_NOT_FOUND"],
  });
  for (const verb of ["hold", "release"] as const) {
    route({
      method: "post",
      path: `/operator/edges/{edge}/${verb}`,
      operationId: `operator${verb === "hold" ? "Hold" : "Release"}`,
      summary:
        verb === "hold"
          ? "Hold what waits on an edge, or in one lane of it"
          : "Let what waits on a held edge, or in one lane of it, run",
      request: {
        params,
        body: {
          required: false,
          content: { "application/json": { schema: z.object({ lane: z.string().nullable().optional() }) } },
        },
      },
      data: edge,
      refused: [...WITH_BODY, "EDGE_NOT_FOUND"],
    });
  }
  route({
    method: "get",
    path: "/operator/audit",
    operationId: "operatorAudit",
    summary: "What operators did in the last 90 days, the newest first",
    request: {
      query: z.object({
        limit: z.coerce.number().int().min(1).max(MAX_AUDIT_PAGE).optional(),
        before: z.string().optional().openapi({ description: "`next` of the page before" }),
      }),
    },
    data: z.array(deed),
    more: { next: z.string().optional() },
    refused: ["INVALID_PARAMETERS"],
  });
}
