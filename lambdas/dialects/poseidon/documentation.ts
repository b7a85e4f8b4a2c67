import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import { fileEntry } from "#protocol/live.ts";
import type { Registry } from "../../docs/registry.ts";
import { ROUTE_DOCS, type RouteDoc, type Shape } from "./route-docs.ts";
import { BASE, OPEN, ROUTES } from "./routes.ts";

const TOKEN = "poseidonAuthToken";

/** Adds the routes to the OpenAPI document, with the header that authenticates. */
export function documentPoseidon(registry: Registry): void {
  registry.registerComponent("securitySchemes", TOKEN, {
    type: "apiKey",
    in: "header",
    name: "Poseidon-Token",
  });
  const shapes = shapesOf();
  for (const [path, methods] of ROUTES) {
    const plain = path.replaceAll(/\{[^}]*\}/g, "");
    for (const method of methods) {
      const doc = ROUTE_DOCS[`${method} ${plain}`];
      if (!doc) throw new Error(`${method} ${plain} is not described`);
      registry.registerPath(routeOf(method, BASE + plain, doc, shapes));
    }
  }
}

type Shapes = Record<Shape | NonNullable<RouteDoc["body"]>, z.ZodType>;

function shapesOf(): Shapes {
  const whole = z.number().int().min(0);
  const environment = z
    .object({
      id: whole,
      image: z.string(),
      prewarmingPoolSize: whole,
      cpuLimit: z.number().min(0),
      memoryLimit: whole,
      networkAccess: z.boolean(),
      exposedPorts: z.array(z.number().int().min(1).max(65_535)).nullable(),
    })
    .openapi("PoseidonEnvironment");
  const statistics = z.object({
    id: whole,
    prewarmingPoolSize: whole,
    idleRunners: whole,
    usedRunners: whole,
  });
  const port = z.object({ exposedPort: whole, hostAddress: z.string() });
  return {
    Environment: environment,
    Environments: z.object({ executionEnvironments: z.array(environment) }),
    Statistics: z.record(z.string(), statistics),
    Version: z.string(),
    RunnerRequest: z.object({ executionEnvironmentId: whole, inactivityTimeout: whole.optional() }),
    Runner: z.object({ runnerId: z.string(), mappedPorts: z.array(port) }),
    Files: z.object({ files: z.array(fileEntry) }),
    FilePatch: z.object({
      delete: z.array(z.string()).optional(),
      copy: z.array(z.object({ path: z.string(), content: z.string().optional() })).optional(),
    }),
    Bytes: z.string(),
    ExecutionRequest: z.object({
      command: z.string(),
      privilegedExecution: z.boolean().optional(),
      environment: z.record(z.string(), z.string()).optional(),
      timeLimit: z.number().int().optional(),
    }),
    Execution: z.object({ websocketUrl: z.string() }),
    ClientError: z.object({ message: z.string() }).openapi("PoseidonClientError"),
    ServerError: z
      .object({
        message: z.string(),
        errorCode: z.enum([
          "NOMAD_UNREACHABLE",
          "NOMAD_OVERLOAD",
          "NOMAD_INTERNAL_SERVER_ERROR",
          "PREWARMING_POOL_DEPLETING",
          "UNKNOWN",
        ]),
      })
      .openapi("PoseidonServerError"),
  };
}

function routeOf(method: string, path: string, doc: RouteDoc, shapes: Shapes): RouteConfig {
  const open = OPEN.includes(path);
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  const unauthorized: RouteDoc["answers"] = open ? {} : { 401: ["The token is missing or wrong"] };
  const failed: RouteDoc["answers"] = { 500: ["It could not be done", "ServerError"] };
  const answers: RouteDoc["answers"] = { ...doc.answers, ...unauthorized, ...failed };
  const responses = Object.entries(answers).map(([status, [description, shape]]) => {
    const type = shape === "Bytes" ? "application/octet-stream" : "application/json";
    return [status, { description, ...(shape && { content: { [type]: { schema: shapes[shape] } } }) }];
  });
  const strings = (all: readonly string[], optional: boolean) =>
    z.object(Object.fromEntries(all.map((name) => [name, optional ? z.string().optional() : z.string()])));
  return createRoute({
    method: method.toLowerCase() as "get" | "post" | "put" | "patch" | "delete",
    path: path.replaceAll(/:(\w+)/g, "{$1}"),
    operationId: `poseidon${doc.id}`,
    summary: doc.summary,
    tags: ["Poseidon"],
    security: open ? [] : [{ [TOKEN]: [] }],
    request: {
      ...(names.length > 0 && { params: strings(names, false) }),
      ...(doc.query && { query: strings(doc.query, true) }),
      ...(doc.body && {
        body: { content: { "application/json": { schema: shapes[doc.body] } } },
      }),
    },
    responses: Object.fromEntries(responses),
  });
}
