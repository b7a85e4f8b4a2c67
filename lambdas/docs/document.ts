import { OpenAPIHono } from "@hono/zod-openapi";
import { VERSION } from "#protocol/version.ts";
import { documentAuthRoutes } from "../auth/documentation.ts";
import { documentCommandRoutes } from "../commands/documentation.ts";
import { documentEmRoutes } from "../dialects/em/documentation.ts";
import { documentEdgeRoutes } from "../edges/documentation.ts";
import { documentUplinkRoutes } from "../uplinks/documentation.ts";
import { documentOpenRoutes } from "./open-routes.ts";

/**
 * The OpenAPI 3.1 document. Hundreds of schemas are made for it, which would make a Lambda's start half as long
 * again: the ground imports this when it is asked for, and in the Lambdas' bundles its answer stands instead.
 */
export function apiDocument(): object {
  document ??= makeDocument();
  return document;
}

let document: object | undefined;

function makeDocument(): object {
  const app = new OpenAPIHono();
  const registry = app.openAPIRegistry;
  documentAuthRoutes(registry);
  documentEmRoutes(registry);
  documentUplinkRoutes(registry);
  documentCommandRoutes(registry);
  documentEdgeRoutes(registry);
  documentOpenRoutes(registry);
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Perigee",
      version: VERSION,
      description:
        "Ground API of an edge computer that is hard to reach. A method that a path does not have is 405 with `Allow`, a path that is none 404; both with an error body as all refusals have it. Fields and parameters that are not named here are ignored, and one that is null or empty counts as not given.",
    },
  });
}
