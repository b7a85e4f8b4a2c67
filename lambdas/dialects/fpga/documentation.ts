import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { Registry } from "../../docs/registry.ts";
import { TOKENS } from "./base-path.ts";
import { ROUTES } from "./routes.ts";

/** Ids and summaries in the order of the routes, with what success is. */
const DOCS: readonly (readonly [id: string, summary: string, status: number])[] = [
  ["Register", "Register an FPGA image from an object of a bucket", 200],
  ["Detail", "List FPGA images", 200],
  ["Associations", "List associations of container images and FPGA images", 200],
  ["Delete", "Delete an FPGA image", 204],
  ["Associate", "Associate an FPGA image with a container image", 204],
  ["Disassociate", "End an association", 204],
  ["Checkpoint", "Make an FPGA image from a design checkpoint: not implemented", 501],
  ["Token", "An access token for a user's name and password", 201],
  ["Projects", "The caller's projects", 200],
  ["OpenObject", "Open an upload of an object in parts, as large uplinks are", 201],
  ["Objects", "List the user's objects", 200],
  ["ObjectParts", "URLs for parts of an object that have not arrived", 200],
  ["CompleteObject", "Make the object of its parts", 200],
  ["GiveUpObject", "Give up an upload of an object, or by its name delete an empty bucket", 200],
  ["RemoveObject", "Delete an object; its key percent-encoded, slashes too", 200],
  ["ImageLog", "The log of an FPGA image, a tar", 200],
  ["ContainerImages", "Container images of the edge, with the ids by which they are associated", 200],
  ["CreateKey", "Make an access key, whose secret is shown once", 201],
  ["Keys", "List access keys", 200],
  ["RevokeKey", "Revoke an access key", 200],
];

/** Adds the routes to the OpenAPI document. */
export function documentFpga(registry: Registry): void {
  for (const [at, [method, path]] of ROUTES.entries()) {
    const doc = DOCS[at];
    if (!doc) throw new Error(`${method} ${path} is not described`);
    registry.registerPath(routeOf(method, path, doc));
  }
}

function routeOf(method: string, path: string, [id, summary, status]: (typeof DOCS)[number]): RouteConfig {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  const content = { "application/json": { schema: z.looseObject({}) } };
  return createRoute({
    method: method.toLowerCase() as "get" | "post" | "delete",
    path: path.replaceAll(/:(\w+)/g, "{$1}"),
    operationId: `fpga${id}`,
    summary,
    tags: ["FPGA images"],
    ...(path === TOKENS && { security: [] }),
    request: {
      ...(names.length > 0 && {
        params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
      }),
    },
    responses: {
      [status]: { description: summary, ...(status !== 204 && { content }) },
      default: { description: "A refusal, with code and message", content },
    },
  });
}
