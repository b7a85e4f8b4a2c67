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
  "POST /images/:image/create": {
    id: "CreateImage",
    summary: "Make an image from sources; the parameters in the query or in the multipart form",
    status: 201,
    query: ["provider", "base", "lang", "force", "mounts", "args", "no_cleanup"],
  },
  "POST /images/push/:image": {
    id: "PushImage",
    summary: "Push an image to the hub, where everybody can pull it",
    status: 202,
  },
  "POST /images/pull/:image": {
    id: "PullImage",
    summary: "Pull an image from the hub",
    status: 202,
    query: ["provider", "force", "owner"],
  },
  "POST /images/remote-delete/:image": {
    id: "RemoteDelete",
    summary: "Delete an image from the hub",
    status: 202,
  },
  "GET /hub/images": { id: "HubImages", summary: "List what was pushed to the hub", status: 200 },
  "DELETE /images/:image": { id: "DeleteImage", summary: "Delete an image", status: 204, query: ["force"] },
  "POST /instances/run": { id: "Run", summary: "Run an instance of an image", status: 201 },
  "GET /instances/:instance/logs": {
    id: "Logs",
    summary: "The log of an instance, also as it is written",
    status: 200,
    query: ["follow", "delete", "previous"],
  },
  "POST /instances/:instance/start": { id: "Start", summary: "Start an instance again", status: 200 },
  "POST /instances/:instance/stop": { id: "Stop", summary: "Stop an instance", status: 200 },
  "DELETE /instances/:instance": {
    id: "DeleteInstance",
    summary: "Delete an instance",
    status: 204,
    query: ["force"],
  },
  "POST /volumes/:volume": {
    id: "CreateVolume",
    summary: "Make a volume, empty or with data",
    status: 201,
    query: ["provider", "type", "raw", "size", "no_cleanup"],
  },
  "DELETE /volumes/:volume": {
    id: "DeleteVolume",
    summary: "Delete a volume",
    status: 204,
    query: ["force"],
  },
  "POST /volumes/:volume/attach/:instance": {
    id: "Attach",
    summary: "Attach a volume to an instance that is stopped",
    status: 202,
    query: ["mount"],
  },
  "POST /volumes/:volume/detach": { id: "Detach", summary: "Detach a volume from its instance", status: 202 },
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
