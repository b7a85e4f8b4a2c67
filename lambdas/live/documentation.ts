import { createRoute, z } from "@hono/zod-openapi";
import type { ErrorCode } from "#protocol/errors.ts";
import { LIVE_FAILURES } from "#protocol/live.ts";
import { LABEL } from "#protocol/names.ts";
import { refusals, WITH_BODY, WITH_TOKEN } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";
import { execRequest } from "./exec-request.ts";

const opened = z.object({
  url: z.string().openapi({
    description:
      "address of a WebSocket with the sub-protocol `perigee.exec.v1` (docs/live.md); good for one use",
    example: "wss://ground.example/live?ticket=Zm9yLW9uZS11c2U",
  }),
  expires_in: z.number().int().openapi({ description: "seconds for which it is good", example: 60 }),
});

const sessions = z.object({
  message: z.string(),
  data: z.array(
    z.object({
      id: z.string(),
      edge: z.string(),
      kind: z.enum(["exec", "list", "read", "write"]),
      pod: z.string().nullable(),
      runner: z.string().nullable(),
      began: z.string(),
      ended: z.string().nullable(),
      end: z
        .object({
          type: z.enum(["exit", "timeout", "error"]),
          code: z.union([z.int(), z.enum(LIVE_FAILURES)]).optional(),
        })
        .nullable(),
      bytes_in: z.int().nullable().openapi({ description: "bytes of the user" }),
      bytes_out: z.int().nullable().openapi({ description: "bytes to the user" }),
    }),
  ),
});

const EXEC: readonly ErrorCode[] = [
  ...WITH_TOKEN,
  ...WITH_BODY,
  "EDGE_NOT_FOUND",
  "LIVE_UNAVAILABLE",
  "TOO_MANY_SESSIONS",
];

/** Adds live executions and `GET /sessions` to an OpenAPI document. */
export function documentLiveRoutes(registry: Registry): void {
  const exec = (of: {
    path: string;
    operationId: string;
    summary: string;
    params: z.ZodObject;
    refused: readonly ErrorCode[];
    headers?: z.ZodObject;
  }) =>
    registry.registerPath(
      createRoute({
        method: "post",
        path: of.path,
        operationId: of.operationId,
        tags: ["Live"],
        summary: of.summary,
        security: [{ bearer: [] }],
        request: {
          params: of.params,
          ...(of.headers && { headers: of.headers }),
          body: { content: { "application/json": { schema: execRequest } } },
        },
        responses: {
          201: { description: "Where to connect", content: { "application/json": { schema: opened } } },
          ...refusals([...EXEC, ...of.refused]),
        },
      }),
    );
  exec({
    path: "/pods/{pod}/exec",
    operationId: "execInPod",
    summary: "Run a command in a running pod, with a live connection",
    params: z.object({ pod: z.string().regex(LABEL).openapi({ example: "pod-a" }) }),
    headers: z.object({
      "Perigee-Edge": z.string().optional().openapi({ description: "Edge meant; by default the user's own" }),
    }),
    refused: ["POD_NOT_FOUND", "POD_NOT_RUNNING"],
  });
  exec({
    path: "/runners/{id}/exec",
    operationId: "execInRunner",
    summary: "Run a command in a runner, with a live connection",
    params: z.object({ id: z.string() }),
    refused: ["RUNNER_NOT_FOUND"],
  });
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/sessions",
      operationId: "listSessions",
      tags: ["Live"],
      summary: "Begins and ends of live sessions of the last 7 days",
      security: [{ bearer: [] }],
      responses: {
        200: { description: "The newest first", content: { "application/json": { schema: sessions } } },
        ...refusals(WITH_TOKEN),
      },
    }),
  );
}
