import { createRoute, z } from "@hono/zod-openapi";
import type { Registry } from "./registry.ts";

const text = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: z.string() } },
});

/** Adds the routes that need no token, and tell of the ground itself, to an OpenAPI document. */
export function documentOpenRoutes(registry: Registry): void {
  const health = z.object({
    status: z.literal("ok"),
    uplinks: z.object({
      parts_over: z.number().int().openapi({ description: "Bytes over which an uplink is sent in parts" }),
      deltas: z.boolean().openapi({ description: "Whether `delta` of `POST /uplinks` is known" }),
    }),
  });
  const routes = [
    {
      path: "/healthz",
      operationId: "getHealth",
      summary: "The ground answers",
      ok: { description: "It does", content: { "application/json": { schema: health } } },
    },
    {
      path: "/metrics",
      operationId: "getMetrics",
      summary: "Metrics for Prometheus",
      ok: text("In Prometheus' text format", "text/plain"),
    },
    {
      path: "/openapi.json",
      operationId: "getDocument",
      summary: "This document",
      ok: {
        description: "OpenAPI 3.1",
        content: { "application/json": { schema: z.looseObject({ openapi: z.string() }) } },
      },
    },
    {
      path: "/docs",
      operationId: "getDocs",
      summary: "This document as a page, on which operations can be tried",
      ok: text("HTML", "text/html"),
    },
  ];
  for (const { ok, ...route } of routes) {
    registry.registerPath(
      createRoute({ ...route, method: "get", tags: ["Open"], security: [], responses: { 200: ok } }),
    );
  }
}
