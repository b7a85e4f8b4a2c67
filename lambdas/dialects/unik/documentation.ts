import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { Registry } from "../../docs/registry.ts";
import { BASE, ROUTES } from "./routes.ts";

type Doc = { id: string; summary: string; status: number; query?: readonly string[] };

/** By method and path, as they are in routes.ts. */
const DOCS: Readonly<Record<string, Doc>> = {
  "GET /available_compilers": {
    id: "Compilers",
    summary: "The compilers that work on the edge",
    status: 200,
  },
  "GET /describe_compiler": {
    id: "DescribeCompiler",
    summary: "How to prepare sources for a compiler",
    status: 200,
    query: ["provider", "base", "lang"],
  },
  "GET /available_providers": { id: "Providers", summary: "The providers of the edge", status: 200 },
  "GET /images": { id: "Images", summary: "List images", status: 200 },
  "GET /images/:image": { id: "Image", summary: "Describe an image", status: 200 },
  "GET /instances": { id: "Instances", summary: "List instances", status: 200 },
  "GET /instances/:instance": { id: "Instance", summary: "Describe an instance", status: 200 },
  "GET /volumes": { id: "Volumes", summary: "List volumes", status: 200 },
  "GET /volumes/:volume": { id: "Volume", summary: "Describe a volume", status: 200 },
};

/** Adds the routes to the OpenAPI document. */
export function documentUnik(registry: Registry): void {
  for (const [method, path] of ROUTES) {
    const doc = DOCS[`${method} ${path}`];
    if (!doc) throw new Error(`${method} ${path} is not described`);
    registry.registerPath(routeOf(method, path, doc));
  }
}

function routeOf(method: string, path: string, { id, summary, status, query = [] }: Doc): RouteConfig {
  const strings = (names: readonly string[]) =>
    z.object(Object.fromEntries(names.map((name) => [name, z.string().optional()])));
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  const text = { "text/plain": { schema: z.string() } };
  const content = { "application/json": { schema: z.any() }, ...text };
  return createRoute({
    method: method.toLowerCase() as "get" | "post" | "delete",
    path: BASE + path.replaceAll(/:(\w+)/g, "{$1}"),
    operationId: `unik${id}`,
    summary,
    tags: ["UniK"],
    request: {
      ...(names.length > 0 && {
        params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
      }),
      ...(query.length > 0 && { query: strings(query) }),
    },
    responses: {
      [status]: { description: summary, ...(status !== 204 && { content }) },
      default: { description: "A refusal: a text, and its code in the header Perigee-Error", content: text },
    },
  });
}
