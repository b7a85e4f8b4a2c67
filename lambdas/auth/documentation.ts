import { z } from "@hono/zod-openapi";
import type { Registry } from "../docs/registry.ts";
import { ACCESS_SECONDS, REFRESH_SECONDS } from "./tokens.ts";

const credentials = z.object({ username: z.string(), password: z.string() });
const refreshBody = z.object({ refresh: z.string() });
const access = z
  .string()
  .openapi({ description: `JWT for the other routes, valid ${ACCESS_SECONDS / 3600} h` });
const refresh = z.string().openapi({
  description: `JWT for /auth/refresh alone, valid ${REFRESH_SECONDS / 86_400} days`,
});
const problem = z.object({ error: z.string(), message: z.string() });
const refusal = problem.extend({ detail: z.string() });

/** Adds the log-in to an OpenAPI document. */
export function documentAuthRoutes(registry: Registry): void {
  const describe = (path: string, summary: string, body: z.ZodObject, answer: z.ZodObject) =>
    registry.registerPath({
      method: "post",
      path,
      summary,
      tags: ["Auth"],
      security: [],
      request: {
        body: {
          required: true,
          content: {
            ...json(body),
            "application/x-www-form-urlencoded": { schema: body },
            "multipart/form-data": { schema: body },
          },
        },
      },
      responses: {
        200: { description: "Tokens", content: json(answer) },
        400: { description: "A field is missing", content: json(problem) },
        401: { description: "Wrong credentials or token", content: json(refusal) },
        413: { description: "The body is over 64 KiB", content: json(problem) },
        415: { description: "The body is neither a form nor JSON", content: json(problem) },
        429: {
          description: "Too many failed log-ins; wait as Retry-After says",
          content: json(problem.extend({ retry_after: z.number() })),
        },
      },
    });
  describe("/auth/", "Log in", credentials, z.object({ access, refresh }));
  describe("/auth/refresh", "A new access token", refreshBody, z.object({ access }));
}

const json = (schema: z.ZodType) => ({ "application/json": { schema } });
