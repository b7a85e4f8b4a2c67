import { OpenAPIHono } from "@hono/zod-openapi";
import { VERSION } from "#protocol/version.ts";
import type { Registry } from "./registry.ts";

/** A part of the API's document, itself a document: what one dialect, or Perigee's own API, adds to it. */
export type DocumentPart = {
  paths?: Record<string, Record<string, unknown>>;
  components?: Record<string, Record<string, unknown>>;
};

const INFO = {
  title: "Perigee",
  version: VERSION,
  description:
    "Ground API of an edge computer that is hard to reach. A method that a path does not have is 405 with `Allow`, a path that is none 404; both with an error body as all refusals have it. Fields and parameters that are not named here are ignored, and one that is null or empty counts as not given.",
};

/** What `describe` adds to an empty document. */
export function documentPart(describe: (registry: Registry) => void): DocumentPart {
  const app = new OpenAPIHono();
  describe(app.openAPIRegistry);
  return app.getOpenAPI31Document({ openapi: "3.1.0", info: INFO }) as DocumentPart;
}
