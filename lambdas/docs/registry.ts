import type { OpenAPIHono } from "@hono/zod-openapi";

/** What the documentation of each part of the API adds its routes and shapes to. */
export type Registry = OpenAPIHono["openAPIRegistry"];
