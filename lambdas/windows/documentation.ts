import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "#protocol/limits.ts";
import { refusals, WITH_BODY, WITH_TOKEN } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";

const time = z.string().openapi({ example: "2026-05-22T20:41:00Z", description: "ISO 8601 with a zone" });
const rate = z.number().nullable().optional();
const window = z.object({
  start: time,
  end: time,
  station: z.string().min(1).max(LIMITS.windowStation),
  uplink_bps: rate.openapi({ description: "expected rate to the edge, bit/s" }),
  downlink_bps: rate.openapi({ description: "expected rate from the edge, bit/s" }),
});
const windows = z.array(window).max(LIMITS.windows);
const revision = z.number().int().min(0);
const answer = z.object({ message: z.string(), data: z.object({ edge: z.string(), revision, windows }) });

/** Adds `/edges/{edge}/windows` to an OpenAPI document. */
export function documentWindowRoutes(registry: Registry): void {
  const of = { tags: ["Edge"], security: [{ bearer: [] }] };
  const params = z.object({ edge: z.string() });
  const ok = { description: "The plan", content: { "application/json": { schema: answer } } };
  registry.registerPath(
    createRoute({
      ...of,
      method: "get",
      path: "/edges/{edge}/windows",
      operationId: "getWindows",
      summary: "The whole plan of contact windows of an edge",
      description: "Revision 0 and no windows where there never was a plan.",
      request: { params },
      responses: { 200: ok, ...refusals([...WITH_TOKEN, "EDGE_NOT_FOUND"]) },
    }),
  );
  registry.registerPath(
    createRoute({
      ...of,
      method: "put",
      path: "/edges/{edge}/windows",
      operationId: "putWindows",
      summary: "Replace the plan of contact windows of an edge",
      description:
        "All or nothing, by an operator (`perigee user operator`) to whom the edge is granted. What is over is left out. With `revision`, only while the plan has it.",
      request: {
        params,
        body: {
          content: {
            "application/json": { schema: z.object({ windows, revision: revision.nullable().optional() }) },
          },
        },
      },
      responses: {
        200: ok,
        ...refusals([...WITH_TOKEN, ...WITH_BODY, "EDGE_NOT_FOUND", "OPERATOR_ONLY", "PLAN_CHANGED"]),
      },
    }),
  );
}
