import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { Registry } from "../../docs/registry.ts";
import { tokenRequest } from "./auth/post-tokens.ts";
import { BASE, IMAGES, OBJECTS, PROJECTS, TOKENS } from "./base-path.ts";
import { objectRequest, partsOfObject } from "./objects/object-routes.ts";
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

const registration = z.looseObject({
  fpga_image: z.looseObject({
    location: z.string().describe("`bucket:file`; the file ends with .bin or xclbin"),
    name: z.string().describe("1 to 64 letters, digits, underscores and hyphens"),
    metadata: z.looseObject({}).describe("at most 1024 characters as JSON"),
    description: z.string().nullish().describe("up to 255 letters, digits, and ` _-.,`"),
  }),
});
const association = z.looseObject({
  image: z.looseObject({ id: z.string().describe("UUID of a container image, in lower case") }),
});

/** Bodies of requests, by method and path. */
const BODIES: Readonly<Record<string, z.ZodType>> = {
  [`POST ${BASE}`]: registration,
  [`POST ${BASE}/:image/association`]: association,
  [`DELETE ${BASE}/:image/association`]: association,
  [`POST ${TOKENS}`]: tokenRequest,
  [`POST ${OBJECTS}`]: objectRequest,
  [`POST ${OBJECTS}/:id/parts`]: partsOfObject,
};

const IMAGE = "id of an FPGA image";
const PAGING = {
  page: "from 1 on, together with size; not looked at where there is one item at most",
  size: "items of a page, 1 to 100",
};
/** Parameters of queries with what they are, by method and path; none is needed. */
const QUERIES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [`GET ${BASE}/detail`]: { fpga_image_id: IMAGE, ...PAGING },
  [`GET ${BASE}/associations`]: {
    image_id: "id of a container image; without either id the list is empty",
    fpga_image_id: IMAGE,
    ...PAGING,
  },
  [`GET ${PROJECTS}`]: { name: "of the edge" },
};

/** What is no JSON, by path. */
const TYPES: Readonly<Record<string, string>> = { [`${IMAGES}/:id/log`]: "application/x-tar" };

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
  const route = `${method} ${path}`;
  const body = BODIES[route];
  const query = Object.entries(QUERIES[route] ?? {});
  const type = TYPES[path];
  const bytes = z.string().meta({ format: "binary" });
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
      ...(query.length > 0 && {
        query: z.object(
          Object.fromEntries(query.map(([name, what]) => [name, z.string().describe(what).optional()])),
        ),
      }),
      ...(body && {
        body: { required: body !== partsOfObject, content: { "application/json": { schema: body } } },
      }),
    },
    responses: {
      [status]: {
        description: summary,
        ...(status !== 204 && { content: type === undefined ? content : { [type]: { schema: bytes } } }),
      },
      default: { description: "A refusal, with code and message", content },
    },
  });
}
