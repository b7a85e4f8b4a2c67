import { createRoute, z } from "@hono/zod-openapi";
import type { Registry } from "#lambdas/docs/registry.ts";

export function documentTiny(registry: Registry): void {
  const job = z.object({ number: z.number(), command: z.string(), state: z.string() }).openapi("TinyJob");
  registry.registerPath(
    createRoute({
      method: "post",
      path: "/tiny/jobs",
      operationId: "submitTinyJob",
      tags: ["Tiny"],
      responses: {
        201: {
          description: "The job",
          content: { "application/json": { schema: job } },
          links: { logs: { operationId: "getPodLogs" } },
        },
      },
    }),
  );
}
