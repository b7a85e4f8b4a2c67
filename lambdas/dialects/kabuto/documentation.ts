import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { Registry } from "../../docs/registry.ts";
import { STATUSES } from "./refusals.ts";
import { ROUTE_DOCS, type RouteDoc } from "./route-docs.ts";
import { OPEN, ROUTES } from "./routes.ts";

const COOKIE = "kabutoSession";

/** Adds the routes to the OpenAPI document, with the cookie that a log-in sets. */
export function documentKabuto(registry: Registry): void {
  registry.registerComponent("securitySchemes", COOKIE, { type: "apiKey", in: "cookie", name: "session" });
  const refusal = z.object({ error: z.string() }).openapi("KabutoRefusal", {
    description: "A refusal is 200 with its text",
    example: { error: "Pipeline not found" },
  });
  const failure = z
    .object({ status: z.number().int().optional(), message: z.string() })
    .openapi("KabutoFailure", { example: { status: 401, message: STATUSES[401] } });
  for (const [path, handles] of ROUTES) {
    // whoever is not logged in is led from there to the console
    if (path === "/") continue;
    for (const method of Object.keys(handles)) {
      const doc = ROUTE_DOCS[`${method} ${path}`];
      if (!doc) throw new Error(`${method} ${path} is not described`);
      registry.registerPath(routeOf({ path, method, doc, refusal, failure }));
    }
  }
}

type Of = { path: string; method: string; doc: RouteDoc; refusal: z.ZodType; failure: z.ZodType };

function routeOf({ path, method, doc, refusal, failure }: Of): RouteConfig {
  const open = OPEN.includes(path);
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  const params = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  const json = (schema: z.ZodType) => ({ "application/json": { schema } });
  const body =
    doc.fields && z.object(Object.fromEntries(doc.fields.map((name) => [name, z.string().optional()])));
  const content = {
    ...json(z.union([z.looseObject({}), z.array(z.looseObject({})), refusal])),
    ...(doc.also && { [doc.also]: { schema: z.string() } }),
  };
  return createRoute({
    method: method.toLowerCase() as "get" | "post" | "put" | "delete",
    path: path.replaceAll(/:(\w+)/g, "{$1}"),
    operationId: doc.id,
    summary: doc.summary,
    tags: ["Kabuto"],
    security: open ? [] : [{ [COOKIE]: [] }, { bearer: [] }],
    request: {
      ...(names.length > 0 && { params }),
      ...(body && { body: { content: { "application/x-www-form-urlencoded": { schema: body } } } }),
    },
    responses: {
      200: { description: doc.answer, content },
      400: { description: "A parameter breaks its rule", content: json(failure) },
      401: { description: "Nobody is logged in, or log-in failed", content: json(failure) },
      413: { description: "The body is too large", content: json(failure) },
      500: { description: "A fault of ours", content: json(failure) },
    },
  });
}
