import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "#protocol/limits.ts";
import { RUNNER_ENDS } from "#protocol/runners.ts";
import { refusals, WITH_TOKEN } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";

const response = z.object({
  message: z.string(),
  data: z.array(
    z.object({
      id: z.string(),
      edge: z.string(),
      environment: z.number().int(),
      state: z.enum(["idle", "used", "gone"]),
      since: z.string().openapi({ description: "since when it is in that state" }),
      end: z.enum(RUNNER_ENDS).nullable().openapi({ description: "why it is gone; told for 24 h" }),
      ports: z.array(z.object({ exposed_port: z.number().int(), host_address: z.string() })),
    }),
  ),
});

/** Adds `GET /runners` to an OpenAPI document. */
export function documentRunnerRoutes(registry: Registry): void {
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/runners",
      operationId: "listRunners",
      tags: ["Edge"],
      summary: "Own runners on all edges, as last reported",
      description: `Of those that are gone the newest ${LIMITS.runnersGoneListed} are told.`,
      security: [{ bearer: [] }],
      responses: {
        200: {
          description: "The runners, by environment",
          content: { "application/json": { schema: response } },
        },
        ...refusals(WITH_TOKEN),
      },
    }),
  );
}
